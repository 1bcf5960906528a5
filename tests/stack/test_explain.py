from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from lightspeed_stack import explain, parse

SPEC = parse.specification()
BODIES = ("QueryRequest", "FeedbackRequest", "FeedbackStatusRequest", "InterruptRequest", "ConversationUpdateRequest")


def keys(value: Any, wanted: str) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (part for key, part in value.items() if key == wanted)
        yield from (found for part in value.values() for found in keys(part, wanted))
    if isinstance(value, list):
        yield from (found for part in value for found in keys(part, wanted))


def test_no_two_rules_have_the_same_words() -> None:
    """What is compiled for a rule is kept under its words."""
    words = list(keys(SPEC, "x-error"))
    assert words
    assert len(words) == len(set(words))


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("value", [{}, {"query": 1}, {"status": 1, "request_id": 2}, {"topic_summary": "", "x": 1}])
def test_whatever_the_schema_refuses_is_explained(name: str, value: dict[str, object]) -> None:
    schema = {"$ref": f"#/components/schemas/{name}"}
    valid = jsonschema.Draft202012Validator({**schema, "components": SPEC["components"]}).is_valid(value)
    found = list(explain.Explainer(SPEC["components"]).explain(schema, value, ("body",)))
    assert bool(found) is not valid


def test_one_choice_and_many() -> None:
    def message(choices: list[str]) -> str:
        [found] = explain.Explainer({}).explain({"type": "string", "enum": choices}, "x", ("body",))
        return str(found["msg"])

    assert message(["a"]) == "Input should be 'a'"
    assert message(["a", "b"]) == "Input should be 'a' or 'b'"
    assert message(["a", "b", "c"]) == "Input should be 'a', 'b' or 'c'"

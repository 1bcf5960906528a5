from __future__ import annotations

import json
from typing import Any

import pytest

from lightspeed_stack import excerpt


@pytest.mark.parametrize("value", [None, True, 1.5, -3, "x" * 4000, [], {}, {"a": [1, {"b": None}], "c": "ř"}])
def test_what_is_small_stays_as_it_is(value: object) -> None:
    assert excerpt.of(value) == value


def nested(depth: int) -> Any:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "x" * 100_000,
        ["x" * 3000] * 100,
        [1] * 100_000,
        [10**4000] * 100,
        {str(number): {} for number in range(100_000)},
        {"x" * 100_000: 1},
        nested(5000),
    ],
    ids=["text", "texts", "numbers", "long numbers", "members", "a name", "deep"],
)
def test_what_is_large_becomes_small_and_says_so(value: object) -> None:
    short = json.dumps(excerpt.of(value), ensure_ascii=False)
    assert len(short) < 3 * excerpt.CHARACTERS
    assert "…" in short


def test_the_kind_and_the_beginning_are_kept() -> None:
    assert excerpt.of("ab" * 100_000) == ("ab" * 100_000)[: excerpt.CHARACTERS] + "…"
    shortened = excerpt.of([{"a": 1}] * 10_000)
    assert isinstance(shortened, list)
    assert shortened[:2] == [{"a": 1}, {"a": 1}]

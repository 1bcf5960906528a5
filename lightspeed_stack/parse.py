"""The bodies of requests: bytes in, values out, or errors.Invalid with upstream's items.

The schemas are those of openapi.yaml, compiled once. A body is judged by the compiled validator; only one that fails
is walked to say what is wrong. No coercion: a wrong type is an error that names the field.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, Final, NoReturn

import jsonschema_rs
import yaml

from lightspeed_stack import errors, explain

BODY: Final = ("body",)
_EXCERPT = 200
_MOST_ITEMS = 100
_UUID = re.compile("-".join(f"[0-9a-f]{{{digits}}}" for digits in (8, 4, 4, 4, 12)))


class Absent:
    """What `read` returns for a request without a body."""


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Query:
    query: str
    conversation_id: str | None
    provider: str | None
    model: str | None
    system_prompt: str | None
    attachments: tuple[Mapping[str, str], ...]
    media_type: str | None
    generate_topic_summary: bool


@dataclass(frozen=True, slots=True)
class Feedback:
    conversation_id: str
    user_question: str
    llm_response: str
    sentiment: int | None
    user_feedback: str | None
    categories: tuple[str, ...] | None


@cache
def specification() -> dict[str, Any]:
    """openapi.yaml of this package, read once: it is for all, to look at only."""
    text = resources.files("lightspeed_stack").joinpath("openapi.yaml").read_bytes()
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    document: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506 - both are safe loaders
    return document


@cache
def parser() -> Parser:
    """One for all: compiled before the fork, the schemas are the same memory in every worker."""
    return Parser(specification())


def read(raw: bytes, content_type: str | None) -> object:
    """The JSON value of a body, `ABSENT`, or the text of a body that is not said to be JSON."""
    if not raw:
        return ABSENT
    if not _is_json(content_type or ""):
        return raw.decode("utf-8", "replace")
    try:
        text = raw.decode(json.detect_encoding(raw))
        value = _DECODER.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        _malformed(error.pos, error.msg)
    except UnicodeDecodeError as error:
        _malformed(error.start, "Invalid UTF-8")
    except UnicodeEncodeError:
        _malformed(raw.lower().find(b"\\ud"), "Unpaired surrogate")
    except RecursionError:
        _malformed(0, "Too deeply nested")
    except ValueError as error:
        _malformed(0, str(error)[:_EXCERPT])
    return value


def conversation_id(text: str) -> str:
    """The id of a path in its one form; raises errors.BadRequest."""
    try:
        return _canonical(text)
    except ValueError:
        raise errors.BadRequest(
            f"The conversation ID {text} has invalid format.", response="Invalid conversation ID format"
        ) from None


class Parser:
    """Reads what `read` returned as the body of one request or another."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._components: Mapping[str, Any] = spec["components"]
        self._explainer = explain.Explainer(self._components)
        self._query = self._compile("QueryRequest")
        self._feedback = self._compile("FeedbackRequest")
        self._feedback_status = self._compile("FeedbackStatusRequest")
        self._interrupt = self._compile("InterruptRequest")
        self._conversation_update = self._compile("ConversationUpdateRequest")
        self._data_collection = self._compile("DataCollection")

    def query(self, body: object) -> Query:
        sent = self._query.check(body)
        known = sent.get("conversation_id")
        summary = sent.get("generate_topic_summary")
        return Query(
            query=sent["query"],
            conversation_id=_canonical(known) if known else None,
            provider=sent.get("provider") or None,
            model=sent.get("model") or None,
            system_prompt=sent.get("system_prompt") or None,
            attachments=tuple(sent.get("attachments") or ()),
            media_type=sent.get("media_type") or None,
            generate_topic_summary=True if summary is None else summary,
        )

    def feedback(self, body: object) -> Feedback:
        sent = self._feedback.check(body)
        sentiment, categories = sent.get("sentiment"), sent.get("categories")
        return Feedback(
            conversation_id=_canonical(sent["conversation_id"]),
            user_question=sent["user_question"],
            llm_response=sent["llm_response"],
            sentiment=None if sentiment is None else int(sentiment),
            user_feedback=sent.get("user_feedback"),
            categories=tuple(dict.fromkeys(categories)) if categories else None,
        )

    def feedback_status(self, body: object) -> bool:
        return bool(self._feedback_status.check(body)["status"])

    def interrupt(self, body: object) -> str:
        """The stream's request id in its one form."""
        return _canonical(self._interrupt.check(body)["request_id"])

    def topic_summary(self, body: object) -> str:
        return str(self._conversation_update.check(body)["topic_summary"])

    def data_collection(self, body: object) -> bool:
        return bool(self._data_collection.check(body)["enabled"])

    def _compile(self, name: str) -> _Shape:
        return _Shape({"$ref": f"#/components/schemas/{name}"}, self._components, self._explainer)


class _Shape:
    """One schema, compiled."""

    def __init__(self, schema: Mapping[str, Any], components: Mapping[str, Any], explainer: explain.Explainer) -> None:
        self._schema = schema
        self._explainer = explainer
        self._is_valid = jsonschema_rs.Draft202012Validator({**schema, "components": components}).is_valid

    def check(self, body: object) -> dict[str, Any]:
        """`body`, which is an object as the schema wants it; raises errors.Invalid."""
        if body is ABSENT:
            raise errors.Invalid([explain.missing(BODY, None)])
        if not isinstance(body, dict):
            raise errors.Invalid([explain.not_an_object(BODY, body)])
        if not self._is_valid(body) and (items := self._first_items(body)):
            raise errors.Invalid(items)
        return body

    def _first_items(self, body: object) -> list[explain.Item]:
        return list(islice(self._explainer.explain(self._schema, body, BODY), _MOST_ITEMS))


def _is_json(content_type: str) -> bool:
    kind, _, form = content_type.partition(";")[0].strip().lower().partition("/")
    return kind == "application" and (form == "json" or form.endswith("+json"))


def _canonical(text: str) -> str:
    """A UUID with dashes, or 48 hexadecimal digits; raises ValueError."""
    if _UUID.fullmatch(text):
        return text
    digits = text.removeprefix("conv_").lower()
    if len(digits) == 48 and set(digits) <= set("0123456789abcdef"):
        return digits
    return str(uuid.UUID(text))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _malformed(position: int, reason: str) -> NoReturn:
    where = (*BODY, position)
    raise errors.Invalid([explain.item("json_invalid", where, "JSON decode error", {}, error=reason)])

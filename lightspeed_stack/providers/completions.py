"""The JSON of the OpenAI chat-completions API (https://platform.openai.com/docs/api-reference/chat). Pure.

Reads what servers really send: token counts that are missing or odd, deltas without content, calls of tools (ignored).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lightspeed_stack.providers.base import Answer, Message

MAX_NAME = 256
MAX_MODELS = 10_000
MAX_TOKENS = 2**53  # what a float, and so a metric, counts exactly
_FRAME_BYTES = 65536
_ESCAPED_BYTES = 6  # as \u0061

_SURROGATE = re.compile("[\ud800-\udfff]")


class Nonsense(Exception):
    """The answer has not the shape that the API says; the text says where and quotes nothing."""


class Reported(Exception):
    """The provider says in its answer that it failed; `text` is all that it says about it."""

    def __init__(self, text: str) -> None:
        super().__init__("the provider reports an error")
        self.text = text


class Delta(NamedTuple):
    """`text` may end in half of a character that JSON writes as a pair of surrogates; see `whole`."""

    text: str
    finished: bool
    usage: tuple[int, int] | None


def question(messages: Sequence[Message], model: str, *, stream: bool = False, usage: bool = False) -> bytes:
    body: dict[str, object] = {
        "model": model,
        "messages": [_message(message) for message in messages],
        "stream": stream,
    }
    if usage:
        body["stream_options"] = {"include_usage": True}
    return json.dumps(body).encode()


def _message(message: Message) -> dict[str, object]:
    content = message.content if isinstance(message.content, str) else [dict(part) for part in message.content]
    return {"role": message.role, "content": content}


def answer(body: bytes | str) -> Answer:
    """Raises Nonsense and Reported."""
    data = _object(body)
    choice = _choice(data)
    message = choice.get("message") if choice else None
    if not isinstance(message, dict):
        raise Nonsense("no message in the answer")
    return Answer(whole(_text(message)), *(_usage(data) or (0, 0)))


def delta(data: str) -> Delta:
    """One event of a stream. Raises Nonsense and Reported."""
    parsed = _object(data)
    choice = _choice(parsed)
    if not choice:
        return Delta("", False, _usage(parsed))
    said = choice.get("delta")
    text = _text(said) if isinstance(said, dict) else ""
    return Delta(text, choice.get("finish_reason") is not None, _usage(parsed))


def largest(text_bytes: int) -> int:
    """How many bytes of JSON an answer, or one event of it, may be when its text is no longer than so."""
    return _ESCAPED_BYTES * text_bytes + _FRAME_BYTES


def models(body: bytes) -> tuple[str, ...]:
    """The identifiers of `GET /models`. Raises Nonsense and Reported."""
    entries = _object(body).get("data")
    if not isinstance(entries, list):
        raise Nonsense("no list of models")
    names = (entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str))
    return tuple(whole(name) for name in names if len(name) <= MAX_NAME)[:MAX_MODELS]


def whole(text: str) -> str:
    """The text with its surrogates paired, U+FFFD for those without a mate."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_half(text: str) -> bool:
    """Whether the text ends between two surrogates."""
    return "\ud800" <= text[-1:] <= "\udbff"


def _object(body: bytes | str) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise Nonsense("the answer is not JSON") from None
    if not isinstance(data, dict):
        raise Nonsense("the answer is not a JSON object")
    if data.get("error"):
        raise Reported(json.dumps(data["error"]))
    return data


def _choice(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = data.get("choices")
    if not isinstance(choices, list):
        raise Nonsense("no choices in the answer")
    if choices and not isinstance(choices[0], dict):
        raise Nonsense("a choice is not a JSON object")
    return choices[0] if choices else None


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if content is None:
        return ""
    if not isinstance(content, str):
        raise Nonsense("the content is not text")
    return content


def _usage(data: Mapping[str, Any]) -> tuple[int, int] | None:
    usage = data.get("usage")
    return (_count(usage, "prompt_tokens"), _count(usage, "completion_tokens")) if isinstance(usage, dict) else None


def _count(usage: Mapping[str, Any], key: str) -> int:
    value = usage.get(key)
    return value if isinstance(value, int) and 0 <= value <= MAX_TOKENS else 0

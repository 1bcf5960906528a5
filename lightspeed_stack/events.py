"""The events of an answer that is told, as server-sent events or as bare text. Pure: values in, bytes out.

Upstream's framing: every event is `data: <json>` and an empty line; JSON in json.dumps's default spacing, ASCII.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from lightspeed_stack.errors import Error

STOPPED = "\n\n*Response stopped by the user.*"
_dumps = json.JSONEncoder().encode

Documents = Sequence[Mapping[str, object]]


class Teller(Protocol):
    """One for each answer: it counts the events."""

    content_type: str

    def start(self, conversation_id: str, request_id: str) -> bytes: ...

    def tokens(self, tokens: Sequence[str]) -> bytes: ...

    def turn_complete(self, text: str) -> bytes: ...

    def end(self, documents: Documents, truncated: bool, usage: tuple[int, int]) -> bytes: ...

    def error(self, error: Error) -> bytes: ...

    def interrupted(self, request_id: str) -> bytes: ...

    def keep_alive(self) -> bytes:
        """Something that means nothing, so that nobody on the way thinks that the connection is dead."""


class ServerSentEvents:
    content_type = "text/event-stream; charset=utf-8"

    def __init__(self) -> None:
        self._count = 0

    def start(self, conversation_id: str, request_id: str) -> bytes:
        return _event("start", {"conversation_id": conversation_id, "request_id": request_id})

    def tokens(self, tokens: Sequence[str]) -> bytes:
        first = self._count
        self._count += len(tokens)
        return "".join(
            f'data: {{"event": "token", "data": {{"id": {number}, "token": {_dumps(token)}}}}}\n\n'
            for number, token in enumerate(tokens, first)
        ).encode()

    def turn_complete(self, text: str) -> bytes:
        self._count += 1
        return _event("turn_complete", {"id": self._count - 1, "token": text})

    def end(self, documents: Documents, truncated: bool, usage: tuple[int, int]) -> bytes:
        data = {
            "referenced_documents": list(documents),
            "truncated": truncated,
            "input_tokens": usage[0],
            "output_tokens": usage[1],
        }
        return _event("end", data, available_quotas={})

    def error(self, error: Error) -> bytes:
        return _event("error", {"status_code": error.status, "response": error.response, "cause": error.cause})

    def interrupted(self, request_id: str) -> bytes:
        return _event("interrupted", {"request_id": request_id})

    def keep_alive(self) -> bytes:
        return b": keep-alive\n\n"


def _event(name: str, data: Mapping[str, object], **more: object) -> bytes:
    return f"data: {_dumps({'event': name, 'data': data, **more})}\n\n".encode()


class PlainText:
    content_type = "text/plain; charset=utf-8"

    def start(self, conversation_id: str, request_id: str) -> bytes:
        return b""

    def tokens(self, tokens: Sequence[str]) -> bytes:
        return "".join(tokens).encode(errors="replace")

    def turn_complete(self, text: str) -> bytes:
        return b""

    def end(self, documents: Documents, truncated: bool, usage: tuple[int, int]) -> bytes:
        named = [f"{one['doc_title']}: {one['doc_url']}" for one in documents if one["doc_title"] and one["doc_url"]]
        return ("\n\n---\n\n" + "\n".join(named)).encode() if named else b""

    def error(self, error: Error) -> bytes:
        return f"Status: {error.status} - {error.response} - {error.cause}".encode()

    def interrupted(self, request_id: str) -> bytes:
        return b""

    def keep_alive(self) -> bytes:
        return b""


def teller(media_type: str | None) -> Teller:
    return PlainText() if media_type == "text/plain" else ServerSentEvents()

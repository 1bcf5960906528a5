"""Answers in JSON as upstream writes them: compact, UTF-8, keys in the order given."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Whole(_encode(value).encode(), status, headers, content_type="application/json")


def with_list(value: Mapping[str, object], key: str, items: Iterable[object]) -> Response:
    """`value` with a list as its last key, sent item by item: what is long need not fit into memory."""
    return Response(_told(_encode(value), _encode(key), items), content_type="application/json")


def _told(value: str, key: str, items: Iterable[object]) -> Iterator[bytes]:
    yield f"{value[:-1]},{key}:[".encode()
    before = b""
    for item in items:
        yield before + _encode(item).encode()
        before = b","
    yield b"]}"


class Whole(Response):
    """A body in one piece, with its length: nothing is left to find out when it is sent."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return self.response  # type: ignore[return-value]  # bytes were given

"""Answers in JSON as upstream writes them: compact, UTF-8, keys in the order given."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Whole(_encode(value).encode(), status, headers, content_type="application/json")


class Whole(Response):
    """A body in one piece, with its length: nothing is left to find out when it is sent."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return self.response  # type: ignore[return-value]  # bytes were given

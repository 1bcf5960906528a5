"""Which pages of other origins may read our answers: the CORS headers, as upstream's server gives them.

Source of the rules: https://fetch.spec.whatwg.org/#http-cors-protocol. A request without an Origin is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lightspeed_stack import config

Headers = tuple[tuple[str, str], ...]
ALL_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
SAFE_HEADERS = ("Accept", "Accept-Language", "Content-Language", "Content-Type")
MAX_AGE_SECONDS = "600"


class Preflight(NamedTuple):
    status: str
    headers: Headers
    body: bytes


class Cors:
    def __init__(self, settings: config.Cors) -> None:
        self._origins = frozenset(settings.allow_origins)
        self._any_origin = "*" in settings.allow_origins
        self._credentials: Headers = (
            (("access-control-allow-credentials", "true"),) if settings.allow_credentials else ()
        )
        self._methods = ALL_METHODS if "*" in settings.allow_methods else settings.allow_methods
        self._any_header = "*" in settings.allow_headers
        self._headers = tuple(sorted({*SAFE_HEADERS, *settings.allow_headers} - {"*"}))

    def headers(self, environ: Mapping[str, str]) -> Headers:
        """What is added to the answer of an ordinary request."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            return ()
        return self._origin(origin)

    def preflight(self, environ: Mapping[str, str]) -> Preflight | None:
        """The whole answer, when the request is a browser's question whether it may ask."""
        wanted = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
        if environ.get("REQUEST_METHOD") != "OPTIONS" or wanted is None or "HTTP_ORIGIN" not in environ:
            return None
        asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS")
        refused = [*self._refused_origin(environ["HTTP_ORIGIN"]), *self._refused_method(wanted), *self._refused(asked)]
        body = f"Disallowed CORS {', '.join(refused)}".encode() if refused else b"OK"
        status = "400 Bad Request" if refused else "200 OK"
        return Preflight(status, (*self._permissions(asked), *_plain(body)), body)

    def _permissions(self, asked: str | None) -> Headers:
        allowed = asked if self._any_header and asked else ", ".join(self._headers)
        return (
            ("access-control-allow-methods", ", ".join(self._methods)),
            ("access-control-max-age", MAX_AGE_SECONDS),
            ("access-control-allow-headers", allowed),
        )

    def _origin(self, origin: str) -> Headers:
        if self._any_origin:
            return (("access-control-allow-origin", "*"), *self._credentials)
        if origin in self._origins:
            return (("access-control-allow-origin", origin), *self._credentials, ("vary", "Origin"))
        return (("vary", "Origin"),)

    def _refused_origin(self, origin: str) -> tuple[str, ...]:
        return () if self._any_origin or origin in self._origins else ("origin",)

    def _refused_method(self, method: str) -> tuple[str, ...]:
        return () if method in self._methods else ("method",)

    def _refused(self, asked: str | None) -> tuple[str, ...]:
        known = {name.lower() for name in self._headers}
        fine = self._any_header or all(name.strip().lower() in known for name in (asked or "").split(",") if name)
        return () if fine else ("headers",)


def _plain(body: bytes) -> Headers:
    return (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body))))

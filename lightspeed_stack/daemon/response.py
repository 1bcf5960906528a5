"""gunicorn's answers, but a small whole one leaves together with its head: one call to the system and one packet for two."""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.wsgi import Response as Plain
from gunicorn.util import http_date

from lightspeed_stack.daemon import sending

SMALL = 65536


class Response(Plain):
    headers_sent: bool
    sent: int

    def write(self, arg: bytes) -> None:
        if self.headers_sent or self._omits_body or not len(arg) == self.response_length <= SMALL:
            super().write(arg)
            return
        fields = "".join([*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers)])
        self.headers_sent, self.sent = True, len(arg)
        self.sock.sendall(f"{fields}\r\n".encode("latin-1") + arg)

    def default_headers(self) -> list[str]:
        """As gunicorn's for all but protocols that change, with a date that is written once a second."""
        if self.upgrade or self.chunked:
            fields: list[str] = super().default_headers()
            return fields
        major, minor = self.req.version
        return [
            f"HTTP/{major}.{minor} {self.status}\r\nServer: {self.version}\r\nDate: {_date(int(time.time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
        ]


@functools.lru_cache(1)
def _date(second: int) -> str:
    text: str = http_date(second)
    return text


def create(req: Any, conn: Any, cfg: Any) -> tuple[Response, dict[str, Any]]:
    """The answer to a request, and its WSGI environment."""
    response, environ = wsgi.create(req, conn.sock, conn.client, conn.server, cfg, response_class=Response)
    environ["wsgi.multithread"] = True
    if isinstance(conn.sock, ssl.SSLSocket):
        response.sock = sending.Sender(conn.sock)
    return response, environ


def run(application: Callable[..., Any], environ: dict[str, Any], answer: Response) -> None:
    """Have the application answer; what it raises comes out."""
    parts = application(environ, answer.start_response)
    try:
        for part in parts:
            answer.write(part)
        answer.close()
    finally:
        if hasattr(parts, "close"):
            parts.close()

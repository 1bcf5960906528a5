"""gunicorn's answers, but a small whole one leaves together with its head: one call to the system and one packet for two."""

from __future__ import annotations

from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.wsgi import Response as Plain

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


def create(req: Any, conn: Any, cfg: Any) -> tuple[Response, dict[str, Any]]:
    """The answer to a request, and its WSGI environment."""
    response, environ = wsgi.create(req, conn.sock, conn.client, conn.server, cfg, response_class=Response)
    environ["wsgi.multithread"] = True
    return response, environ

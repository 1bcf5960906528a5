"""One HTTP/1.1 request to a provider and its answer, read as it comes, on connections that are used again.

The bytes are ours because one call through requests costs half of what a whole query may
(1.1 ms of processor time against 0.1 ms), and because every wait here ends at a deadline, at the asker's hang-up or at
an abort. Redirects are not followed, cookies are not kept, and a body never grows past `max_bytes`.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Generator
from dataclasses import dataclass

from lightspeed_stack import held
from lightspeed_stack.providers.base import Client
from lightspeed_stack.providers.pool import Pool
from lightspeed_stack.providers.reply import Reply, Unanswered
from lightspeed_stack.providers.wait import READ, WRITE, Waiter

_READ_BYTES = 16384
_PATIENCE_SECONDS = 0.1
_REST_SECONDS = 2.0
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Pieces = Generator[bytes, None, None]


@dataclass(frozen=True)
class Limits:
    """`silence_seconds` from byte to byte, `total_seconds` for all."""

    silence_seconds: float
    total_seconds: float
    max_bytes: int


class Exchange:
    """Iterate once to get the body's bytes; b"" stands for a second without any, or for what came and was no body.

    Raises Unreachable, Broken, TooBig, and what Waiter.ready raises. `status` and `header` are known with the first
    piece that is not empty, or at the end.
    """

    def __init__(self, pool: Pool, request: bytes, limits: Limits, client: Client | None = None) -> None:
        self._pool = pool
        self._request = request
        self._waiter = Waiter(limits.total_seconds, client)
        self._silence = limits.silence_seconds
        self._reply = Reply(limits.max_bytes)

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def complete(self) -> bool:
        """Whether the piece that was told is the last."""
        return self._reply.complete

    @property
    def ends_by_closing(self) -> bool:
        """Whether the end of the connection is all that ends the body, so that half of it looks whole."""
        return self._reply.ends_by_closing

    def header(self, name: str) -> str:
        """`name` in lower case; empty when it is not there."""
        return self._reply.headers.get(name.encode(), b"").decode("latin-1")

    def abort(self) -> None:
        """End it at once, from any thread; the iteration raises Aborted."""
        self._waiter.abort()

    def hurry(self) -> None:
        """The rest does not matter: wait but a moment for the end, so that the connection can be used again.

        A server that talks on is cut off in two seconds.
        """
        self._silence = _PATIENCE_SECONDS
        self._waiter.end_within(_REST_SECONDS)

    def __iter__(self) -> Pieces:
        try:
            self._waiter.check()
            reused = self._pool.take()
            if reused is not None:
                self._waiter.adopt(reused)
                try:
                    yield from self._talk(reused)
                    return
                except Unanswered:  # it was closed while it idled
                    self._release()
            yield from self._talk((yield from self._pool.dialer.dial(self._waiter)))
        finally:
            self._release()

    def _talk(self, sock: socket.socket) -> Pieces:
        yield from self._send(sock)
        while not self._reply.complete:
            if self._reply.is_behind:
                body = self._unpack()
            else:
                data = yield from self._receive_tls(sock) if isinstance(sock, ssl.SSLSocket) else self._receive(sock)
                body = self._reply.feed(data) if data else self._reply.end()
            if body:
                if not (self._reply.complete or self._reply.is_behind or isinstance(sock, ssl.SSLSocket)):
                    self._waiter.rest()
                yield body
            self._reply.check()
            if not body and not self._reply.complete:
                yield b""  # whoever serves others too gets a turn, however much there is to read

    def _unpack(self) -> bytes:
        self._waiter.left(math.inf)
        return self._reply.unpack()

    def _send(self, sock: socket.socket) -> Pieces:
        rest = self._request
        while rest:
            try:
                rest = rest[sock.send(rest) if isinstance(sock, ssl.SSLSocket) else held.send(sock, rest) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield from self._waiter.until_ready(WRITE, time.monotonic() + self._silence)
            except ssl.SSLWantReadError:
                yield from self._waiter.until_ready(READ, time.monotonic() + self._silence)
            except OSError:  # a server may refuse before it has read all: there may be an answer
                break
        self._waiter.expect(READ)

    def _receive(self, sock: socket.socket) -> Generator[bytes, None, bytes]:
        deadline = time.monotonic() + self._silence
        while True:
            while not self._waiter.ready(deadline):
                yield b""
            try:
                return held.receive(sock)
            except BlockingIOError:
                continue
            except OSError:
                self._waiter.check()
                return b""

    def _receive_tls(self, sock: ssl.SSLSocket) -> Generator[bytes, None, bytes]:
        deadline = time.monotonic() + self._silence
        while True:
            self._waiter.left(deadline)  # TLS may always have more, so that there is never anything to wait for
            try:
                return sock.recv(_READ_BYTES)
            except _NOTHING_YET:
                if not self._waiter.ready(deadline):
                    yield b""
            except OSError:
                self._waiter.check()
                return b""

    def _release(self) -> None:
        sock = self._waiter.drop()
        if sock is not None and self._reply.reusable:
            self._pool.put(sock)
        elif sock is not None:
            sock.close()

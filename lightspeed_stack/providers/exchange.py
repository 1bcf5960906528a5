"""One HTTP/1.1 request to a provider and its answer, read as it comes, on connections that are used again.

httptools (llhttp) parses. The bytes are ours because one call through requests costs half of what a whole query may
(1.1 ms of processor time against 0.1 ms), and because every wait here ends at a deadline, at the asker's hang-up or at
an abort. Redirects are not followed, cookies are not kept, and an answer never grows past `max_bytes`.
"""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from lightspeed_stack import held
from lightspeed_stack.providers.base import Client
from lightspeed_stack.providers.dial import Dialer
from lightspeed_stack.providers.wait import READ, WRITE, Waiter

_READ_BYTES = 16384
_LONGEST_HEAD = 65536
_MOST_IDLE = 32
_IDLE_SECONDS = 30.0
_PATIENCE_SECONDS = 0.1
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Pieces = Generator[bytes, None, None]


class Broken(Exception):
    """The answer is not whole or not HTTP."""


class Unanswered(Broken):
    """The connection ended before the first byte of an answer."""


class TooBig(Exception):
    """The answer is longer than `max_bytes`."""

    def __init__(self) -> None:
        super().__init__("the answer is longer than max_answer_bytes")


@dataclass(frozen=True)
class Limits:
    """`silence_seconds` from byte to byte, `total_seconds` for all."""

    silence_seconds: float
    total_seconds: float
    max_bytes: int


class Pool:
    """Connections to one target that wait for their next request, the last used first."""

    def __init__(self, dialer: Dialer) -> None:
        self.dialer = dialer
        self._idle: deque[tuple[float, socket.socket]] = deque()

    def take(self) -> socket.socket | None:
        while self._idle:
            try:
                _, sock = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            if _is_open(sock):
                return sock
            sock.close()
        return None

    def put(self, sock: socket.socket) -> None:
        now = time.monotonic()
        self._idle.append((now, sock))
        try:
            while len(self._idle) > _MOST_IDLE or self._idle[0][0] < now - _IDLE_SECONDS:
                self._idle.popleft()[1].close()
        except IndexError:  # another thread took them
            return

    def __del__(self) -> None:
        for _, sock in self._idle:
            sock.close()


def _is_open(sock: socket.socket) -> bool:
    """Whether an idle connection is still there; one that has something to say is of no use either."""
    try:
        sock.recv(1)
    except _NOTHING_YET:
        return True
    except OSError:
        return False
    return False


class Exchange:
    """Iterate once to get the body's bytes; b"" stands for a second without any.

    Raises Unreachable, Broken, TooBig, and what Waiter.ready raises. `status` and `header` are known with the first
    piece that is not empty, or at the end.
    """

    def __init__(self, pool: Pool, request: bytes, limits: Limits, client: Client | None = None) -> None:
        self._pool = pool
        self._request = request
        self._waiter = Waiter(limits.total_seconds, client)
        self._silence = limits.silence_seconds
        self._answer = _Answer(limits.max_bytes)

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def ends_by_closing(self) -> bool:
        """Whether the end of the connection is all that ends the body, so that half of it looks whole."""
        return self._answer.ends_by_closing

    def header(self, name: str) -> str:
        """`name` in lower case; empty when it is not there."""
        return self._answer.headers.get(name.encode(), b"").decode("latin-1")

    def abort(self) -> None:
        """End it at once, from any thread; the iteration raises Aborted."""
        self._waiter.abort()

    def hurry(self) -> None:
        """The rest does not matter: wait but a moment for the end, so that the connection can be used again."""
        self._silence = _PATIENCE_SECONDS

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
        while not self._answer.complete:
            data = yield from self._receive_tls(sock) if isinstance(sock, ssl.SSLSocket) else self._receive(sock)
            body = self._answer.feed(data) if data else self._answer.end()
            if body:
                yield body
            self._answer.check()

    def _send(self, sock: socket.socket) -> Pieces:
        rest = memoryview(self._request)
        while rest:
            try:
                rest = rest[sock.send(rest) :]
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
        if sock is not None and self._answer.reusable:
            self._pool.put(sock)
        elif sock is not None:
            sock.close()


class _Answer:
    """What httptools tells about one response; `on_*` are its callbacks."""

    def __init__(self, max_bytes: int) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.complete = False
        self.reusable = False
        self._parser = HttpResponseParser(self)
        self._left = max_bytes
        self._head_bytes = 0
        self._in_body = False
        self._pieces: list[bytes] = []
        self._unpacker: zlib._Decompress | None = None
        self._failure: Broken | None = None

    def feed(self, data: bytes) -> bytes:
        """The body in `data`; that it is not HTTP from there on is for `check` to say. Raises Broken and TooBig."""
        if not self._in_body:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.reusable = False
            self._failure = Broken(f"the answer is not HTTP/1.1: {error}")
        if not self._in_body and self._head_bytes > _LONGEST_HEAD:
            raise Broken("the answer's headers never end")
        return self._body()

    def check(self) -> None:
        if self._failure is not None and not self.complete:
            raise self._failure

    def end(self) -> bytes:
        """The connection has ended: that ends an answer that has no other end."""
        if self._head_bytes == 0:
            raise Unanswered("the connection was closed without an answer")
        if not self._in_body or not self.ends_by_closing:
            raise Broken("the connection was closed in the middle of the answer")
        self.complete = True
        return b""

    @property
    def ends_by_closing(self) -> bool:
        return not self.headers.keys() & {b"content-length", b"transfer-encoding"}

    def on_message_begin(self) -> None:
        self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._in_body = self.status >= 200

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self.status < 200:
            self.headers.clear()
            return
        self.complete = True
        self.reusable = self._parser.should_keep_alive()

    def _body(self) -> bytes:
        body = b"".join(self._pieces)
        self._pieces.clear()
        if body and b"content-encoding" in self.headers:
            body = self._unpack(body)
        self._left -= len(body)
        if self._left < 0:
            raise TooBig
        return body

    def _unpack(self, data: bytes) -> bytes:
        encoding = self.headers[b"content-encoding"].lower()
        if encoding == b"identity":
            return data
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise Broken(f"the answer's encoding is {encoding.decode('latin-1')}")
        if self._unpacker is None:
            self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            return self._unpacker.decompress(data, self._left + 1)
        except zlib.error as error:
            raise Broken(f"the answer is not {encoding.decode()}: {error}") from None

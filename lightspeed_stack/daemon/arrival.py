"""How long a client may take over its request: so many seconds of waiting, the head's and the body's together.

Each second that we wait for the client is taken from its patience; only a body earns some back, a second for each
`BODY_BYTES_A_SECOND`, and never more than there was. So large bodies may come over slow links, and nobody holds a
thread by sending a byte now and then. What is there already is read without looking at a clock.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http import RequestParser
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader
from gunicorn.sock import ssl_wrap_socket
from gunicorn.workers.gthread import TConn

BODY_BYTES_A_SECOND = 500
DEFAULT_SECONDS = 30.0
SHORTEST_WAIT = 0.001
NEAR_MILLISECONDS = 5
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class TooSlow(TimeoutError):
    """The client's patience is used up."""


class Arrival(SocketUnreader):
    """What gunicorn reads requests from. `is_late` is set when one is given up, after `give_up` was called.

    With `invites`, a client is told to send its body once somebody waits for it.
    """

    def __init__(self, sock: Any, seconds: float) -> None:
        super().__init__(sock)
        self._seconds = seconds
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self.begin_head()

    def begin_head(self) -> None:
        self._left = self._seconds
        self._earns = False
        self._give_up: Callable[[], None] = _nothing
        self.is_late = False
        self.invites = False

    def begin_body(self, give_up: Callable[[], None]) -> None:
        self._earns = True
        self._give_up = give_up

    def chunk(self, size_hint: int | None = None) -> bytes:
        size = min(max(self.mxchunk, size_hint or 0), self.max_body_chunk)
        data = self._received(size)
        if self._earns:
            self._left = min(self._seconds, self._left + len(data) / BODY_BYTES_A_SECOND)
        return data

    def _received(self, size: int) -> bytes:
        if self._is_tls:
            return self._record(size)
        if self.sock.gettimeout() is not None:  # gunicorn throws away what is left of a body, and waits as it likes
            return bytes(self.sock.recv(size))
        try:
            return bytes(self.sock.recv(size, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return self._awaited(size)

    def _record(self, size: int) -> bytes:
        """To its end: what is decrypted already makes no socket readable."""
        data = self._awaited(size) if self.sock.gettimeout() is None else bytes(self.sock.recv(size))
        rest = self.sock.pending()
        return data + self.sock.recv(rest) if rest else data

    def _awaited(self, size: int) -> bytes:
        if self.invites:
            self.invites = False
            self.sock.sendall(CONTINUE)
        began = time.monotonic()
        self.sock.settimeout(max(self._left, SHORTEST_WAIT))
        try:
            return bytes(self.sock.recv(size))
        except TimeoutError:
            self.is_late = True
            self._give_up()
            raise TooSlow from None
        finally:
            self.sock.settimeout(None)
            self._left -= time.monotonic() - began


class Requests(RequestParser):
    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """gunicorn sets the socket's timeout twice to read on; where all was read there is nothing to wait for."""
        return self._is_read() or bool(super().finish_body(deadline, max_bytes))

    def _is_read(self) -> bool:
        body = self.mesg and self.mesg.body
        return (
            isinstance(body, Body) and isinstance(body.reader, LengthReader) and not (body.reader.length or body.failed)
        )


class Connection(TConn):
    """One whose client has as long for a request, and for its part in TLS, as SO_RCVTIMEO says."""

    initialized: bool
    data_ready: bool
    timeout: float
    sock: Any
    arrival: Arrival | None = None
    is_silent = False

    def begins(self) -> bool:
        """Whether there is something to read already, so that nobody need wait for it."""
        try:
            self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            pass  # who reads on is told the same
        self.data_ready = True
        return True

    def init(self) -> None:
        """Called at the beginning of every request; a client of TLS that says nothing yet has none."""
        if not self.initialized:
            self.initialized = True
            seconds = _receive_timeout(self.sock)
            if self.cfg.is_ssl:
                self.sock.settimeout(seconds)
                self.sock = ssl_wrap_socket(self.sock, self.cfg)
                self.sock.do_handshake()
                self.sock.settimeout(None)
            self.parser = Requests(self.cfg, self.sock, self.client)
            self.arrival = self.parser.unreader = Arrival(self.sock, seconds)
            if self.cfg.is_ssl and not self._says_something():
                self.is_silent = True
                raise StopIteration  # gunicorn has nothing more to do for it
        elif self.arrival is not None:
            self.arrival.begin_head()

    def _says_something(self) -> bool:
        near = select.poll()
        near.register(self.sock, select.POLLIN)
        return bool(self.sock.pending() or near.poll(NEAR_MILLISECONDS))


def _receive_timeout(sock: socket.socket) -> float:
    seconds, _ = struct.unpack("@ll", sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16))
    return float(seconds) or DEFAULT_SECONDS


def _nothing() -> None:
    """Nothing depends on whether it came."""

"""Waiting for a provider: its socket, the deadlines, an abort from another thread, and the asker if one is there.

No thread stands by: whoever waits sleeps in poll(2) until one of them happens, or for a second; or the asker brings its
own way to wait, which may be not to wait at all.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator

from lightspeed_stack.providers.base import Client, Poll

HEARTBEAT_SECONDS = 1.0
READ, WRITE = select.POLLIN, select.POLLOUT


class TimedOut(Exception):
    """A deadline has passed."""

    def __init__(self) -> None:
        super().__init__("no answer in time")


class Aborted(Exception):
    """Somebody called `abort`."""


class Waiter:
    """Waits on behalf of one request, for at most `total_seconds` in all."""

    def __init__(self, total_seconds: float, client: Client | None = None) -> None:
        self._end = time.monotonic() + total_seconds
        self._client = client
        if client is not None:
            client.ends_at(self._end)
        self._poll: Poll = client or select.poll()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._aborted = False

    def adopt(self, sock: socket.socket) -> None:
        """Wait on this socket from now on, for reading."""
        with self._lock:
            self.check()
            self._socket = sock
            self._poll.register(sock.fileno(), READ)

    def drop(self) -> socket.socket | None:
        """Let go of the socket, which `abort` can no longer reach."""
        with self._lock:
            sock, self._socket = self._socket, None
            if sock is not None:
                self._poll.unregister(sock.fileno())
            return sock

    def expect(self, events: int) -> None:
        assert self._socket is not None
        self._poll.modify(self._socket.fileno(), events)

    def rest(self) -> None:
        """All that came has been told."""
        if self._client is not None:
            self._client.rest()

    def abort(self) -> None:
        """Make whoever waits raise Aborted at once; from any thread."""
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                _shut_down(self._socket)

    def ready(self, deadline: float) -> bool:
        """Whether the socket is ready; false is no more than "not yet". `deadline` is of time.monotonic().

        Raises TimedOut, Aborted and Disconnected.
        """
        found = self._poll.poll(min(self.left(deadline), HEARTBEAT_SECONDS) * 1000)
        self.check()
        return bool(found)

    def left(self, deadline: float) -> float:
        """The seconds until this deadline or the end of all, whichever is nearer. Raises TimedOut and Aborted."""
        self.check()
        left = min(deadline, self._end) - time.monotonic()
        if left <= 0:
            raise TimedOut
        return left

    def end_within(self, seconds: float) -> None:
        """Let all be over in so many seconds, if it is not sooner; the client keeps the time that it was told."""
        self._end = min(self._end, time.monotonic() + seconds)

    def check(self) -> None:
        if self._aborted:
            raise Aborted

    def until_ready(self, events: int, deadline: float) -> Iterator[bytes]:
        """Yield b"" as long as there are none of the events."""
        self.expect(events)
        while not self.ready(deadline):
            yield b""


def _shut_down(sock: socket.socket) -> None:
    """Wake the thread that waits on the socket; an SSLSocket's own shutdown would pull its state from under it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)

"""Waiting for a provider: its socket, the asker's hang-up, the deadlines and an abort, all in one poll(2).

No thread stands by and nothing is polled twice: whoever waits sleeps in the kernel until one of them happens, or for a
second, after which it says that nothing came.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator

from lightspeed_stack.providers.base import Disconnected

HEARTBEAT_SECONDS = 1.0
READ, WRITE = select.POLLIN, select.POLLOUT


class TimedOut(Exception):
    """A deadline has passed."""

    def __init__(self) -> None:
        super().__init__("no answer in time")


class Aborted(Exception):
    """Somebody called `abort`."""


class Waiter:
    """Waits on behalf of one request, for at most `total_seconds` in all; `client` is the asker's file descriptor."""

    def __init__(self, total_seconds: float, client: int | None = None) -> None:
        self._end = time.monotonic() + total_seconds
        self._client = client
        self._poll = select.poll()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._aborted = False
        if client is not None:
            self._poll.register(client, select.POLLRDHUP)

    def adopt(self, sock: socket.socket) -> None:
        """Wait on this socket from now on, for reading."""
        with self._lock:
            self.check()
            self._socket = sock
            self._poll.register(sock, READ)

    def drop(self) -> socket.socket | None:
        """Let go of the socket, which `abort` can no longer reach."""
        with self._lock:
            sock, self._socket = self._socket, None
            if sock is not None:
                self._poll.unregister(sock)
            return sock

    def expect(self, events: int) -> None:
        assert self._socket is not None
        self._poll.modify(self._socket, events)

    def abort(self) -> None:
        """Make whoever waits raise Aborted at once; from any thread."""
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                _shut_down(self._socket)

    def ready(self, deadline: float) -> bool:
        """Whether the socket is ready; false after a second. `deadline` is of time.monotonic().

        Raises TimedOut, Aborted and Disconnected.
        """
        self.check()
        left = min(deadline, self._end) - time.monotonic()
        if left <= 0:
            raise TimedOut
        found = self._poll.poll(min(left, HEARTBEAT_SECONDS) * 1000)
        self.check()
        for descriptor, _ in found:
            if descriptor == self._client:
                raise Disconnected
        return bool(found)

    def check(self) -> None:
        if self._aborted:
            raise Aborted

    def until_ready(self, events: int, deadline: float) -> Iterator[bytes]:
        """Yield b"" for each second without the events."""
        self.expect(events)
        while not self.ready(deadline):
            yield b""


def _shut_down(sock: socket.socket) -> None:
    """Wake the thread that waits on the socket; an SSLSocket's own shutdown would pull its state from under that thread."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)

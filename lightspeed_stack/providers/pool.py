"""Connections to one server that wait for their next request, the last used first; from any thread."""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque

from lightspeed_stack import held
from lightspeed_stack.providers.dial import Dialer

_MOST_IDLE = 32
_IDLE_SECONDS = 30.0


class Pool:
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
        sock.recv(1) if isinstance(sock, ssl.SSLSocket) else held.receive(sock)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False

"""The client of one answer at the relay: what it is told goes out without waiting, what it can't take yet waits.

While a client does not read, its provider is not read either. Each second of that is taken from the client's patience,
which is its socket's SO_SNDTIMEO; each `BYTES_A_SECOND` that it takes give one back. Who has none left is given up, and so
is one that still has not taken what came when the provider's time is over. gunicorn writes the headers before and the last chunk afterwards, never in between.
"""

from __future__ import annotations

import functools
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from lightspeed_stack import held
from lightspeed_stack.daemon import sending
from lightspeed_stack.providers.base import Disconnected

if TYPE_CHECKING:
    from lightspeed_stack.relay import Relay

PIECES_IN_A_TURN = 4
PATIENCE_SECONDS = 60.0
BYTES_A_SECOND = 500
_GONE = select.EPOLLHUP | select.EPOLLERR
_NOT_NOW = (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError)


class Seat:
    """`register`, `modify`, `unregister` and `poll` are select.poll's, as providers.base.Client wants them."""

    def __init__(self, relay: Relay, sock: socket.socket, chunked: bool) -> None:
        self._relay = relay
        self._socket = sock
        self._waits_for_all = isinstance(sock, ssl.SSLSocket)  # it knows no MSG_DONTWAIT
        self._send = sock.send if self._waits_for_all else functools.partial(held.send, sock)
        self._descriptor = sock.fileno()
        self._chunked = chunked
        self._pieces = _nothing()
        self._unsent = b""
        self._stuck_since: float | None = None
        self._patience = 0.0
        self._left = 0.0
        self._ends_at = math.inf
        self._is_watched = False
        self._is_gone = False
        self._has_ended = False
        self._watched_for = select.EPOLLRDHUP
        self._probe = b""
        self._rests = False
        self._awaited: dict[int, int] = {}
        self._found: list[tuple[int, int]] = []
        self._failure: Exception | None = None
        self._told = threading.Event()

    def tell(self, pieces: Generator[bytes, None, None], probe: bytes = b"") -> None:
        """Send all pieces; an empty one says that there is none now. Raises what they raise, and Disconnected.

        A client that says no more may only have ended its part, or be gone: then a `probe` that means nothing is sent
        between two pieces, which one that is gone answers with a reset. Without a probe it is taken to be gone.
        """
        self._pieces = pieces
        self._probe = probe
        if self._waits_for_all:
            self._socket.setblocking(False)
        try:
            self._relay.admit(self)
            self._told.wait()
        finally:
            if self._waits_for_all:
                self._socket.setblocking(True)
        if self._failure is not None:
            raise self._failure

    def register(self, descriptor: int, events: int) -> None:
        self._relay.watch(descriptor, events, self)
        self._awaited[descriptor] = events

    def modify(self, descriptor: int, events: int) -> None:
        if self._awaited[descriptor] != events:
            self._awaited[descriptor] = events
            self._relay.watch_for(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        if self._awaited.pop(descriptor, None) is not None and self._stuck_since is None:
            self._relay.unwatch(descriptor)

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        """Never waits: the relay does, for all."""
        found, self._found = self._found, []
        return found

    def rest(self) -> None:
        self._rests = True

    def ends_at(self, deadline: float) -> None:
        self._ends_at = deadline

    # what follows is for the relay's thread

    @property
    def is_empty(self) -> bool:
        return self._told.is_set()

    def note(self, descriptor: int, event: int) -> None:
        if descriptor in self._awaited:
            self._found.append((descriptor, event))
        elif event & _GONE or (event & select.EPOLLRDHUP and not self._probe):
            self._is_gone = True
        elif event & select.EPOLLRDHUP:
            self._has_ended, self._watched_for = True, 0
            self._relay.watch_for(descriptor, select.EPOLLOUT if self._stuck_since is not None else 0)

    def turn(self) -> None:
        """Go on as far as it goes without waiting."""
        try:
            self._go_on()
        except StopIteration:
            self._leave(None)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is raised again where `tell` waits
            self._leave(failure)

    def _go_on(self) -> None:
        if not self._is_watched:
            self._relay.watch(self._descriptor, self._watched_for, self)
            self._is_watched = True
        if self._is_gone or (self._stuck_since is not None and not self._may_wait(self._stuck_since)):
            raise Disconnected
        if self._unsent:
            self._flush()
        if self._has_ended and not self._unsent:
            self._has_ended = False
            self._send_piece(self._probe)
        for _ in range(PIECES_IN_A_TURN):
            self._rests = False
            if self._unsent or not (piece := next(self._pieces)):
                return
            self._send_piece(piece)
            if self._rests:
                return
        self._relay.admit(self)  # there may be more that no poll can see, within TLS

    def _send_piece(self, piece: bytes) -> None:
        self._unsent = b"%X\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self._send(self._unsent)
        except _NOT_NOW:
            sent = 0
        except OSError:
            raise Disconnected from None
        self._unsent = self._unsent[sent:]
        self._left = min(self._patience, self._left + sent / BYTES_A_SECOND)
        if self._unsent and self._stuck_since is None:
            self._stuck()
        elif not self._unsent and self._stuck_since is not None:
            self._unstuck()

    def _stuck(self) -> None:
        if not self._patience:
            self._patience = self._left = sending.limit(self._socket) or PATIENCE_SECONDS
        self._relay.watch_for(self._descriptor, self._watched_for | select.EPOLLOUT)
        for descriptor in self._awaited:
            self._relay.unwatch(descriptor)
        self._stuck_since = time.monotonic()

    def _may_wait(self, since: float) -> bool:
        now = self._stuck_since = time.monotonic()
        self._left -= now - since
        return self._left > 0 and now < self._ends_at

    def _unstuck(self) -> None:
        self._stuck_since = None
        self._relay.watch_for(self._descriptor, self._watched_for)
        for descriptor, events in self._awaited.items():
            self._relay.watch(descriptor, events, self)

    def _leave(self, failure: Exception | None) -> None:
        try:
            self._pieces.close()
        except Exception as error:  # noqa: BLE001 - as in `turn`
            failure = failure or error
        for descriptor in tuple(self._awaited):  # of pieces that failed before they let go of it
            self.unregister(descriptor)
        if self._is_watched:
            self._relay.unwatch(self._descriptor)
        self._relay.dismiss(self)
        self._failure = failure
        self._told.set()


def _nothing() -> Generator[bytes, None, None]:
    yield from ()

"""Answers told to many clients by one thread: a piece goes out when it comes in, and nobody else is woken.

A thread for each stream that wakes for each token costs five times the processor time, most of it in switching
(bench/streams.py). So the thread that serves a request hands its client's seat over once gunicorn has sent the headers,
sleeps until all is told or has failed, and goes on where it was. What is told here must never block.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from lightspeed_stack import held
from lightspeed_stack.seat import Seat

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SWEEP_SECONDS = 0.25


class Relay:
    """Its thread begins with the first answer to be told."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN)
        self._arrived: deque[Seat] = deque()
        self._present: set[Seat] = set()
        self._watchers: dict[int, Seat] = {}
        self._starting = threading.Lock()
        self._runs = False

    def seat(self, environ: WSGIEnvironment) -> Seat | None:
        """A seat for the client of this request; None when its server does not tell its socket."""
        sock, protocol = environ.get("gunicorn.socket"), environ.get("SERVER_PROTOCOL")
        if sock is None or protocol not in ("HTTP/1.0", "HTTP/1.1"):
            return None
        return Seat(self, sock, chunked=protocol == "HTTP/1.1")

    def admit(self, seat: Seat) -> None:
        """From any thread: tell what the seat has to be told; raises RuntimeError when no thread can be started."""
        with self._starting:
            if not self._runs:
                threading.Thread(target=self._run, name="relay", daemon=True).start()
                self._runs = True
        self._arrived.append(seat)
        held.ring(self._bell)

    def dismiss(self, seat: Seat) -> None:
        self._present.discard(seat)

    def watch(self, descriptor: int, events: int, seat: Seat) -> None:
        self._epoll.register(descriptor, events)
        self._watchers[descriptor] = seat

    def watch_for(self, descriptor: int, events: int) -> None:
        self._epoll.modify(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        """Never raises: a seat that leaves has to get away."""
        self._watchers.pop(descriptor, None)  # another's, and let go of, when the number was closed and given anew
        with suppress(OSError):  # one that was closed already
            self._epoll.unregister(descriptor)

    def _run(self) -> None:
        sweep_at = 0.0
        while True:
            seats = self._find(max(0.0, sweep_at - time.monotonic()) if self._present else -1)
            if time.monotonic() >= sweep_at:
                seats = list(self._present)
                sweep_at = time.monotonic() + SWEEP_SECONDS
            for seat in seats:
                seat.turn()

    def _find(self, seconds: float) -> Iterable[Seat]:
        """Those for whom something happened, each once; all is noted before a turn may change who watches what."""
        seats: dict[Seat, None] = {}
        for descriptor, event in self._epoll.poll(seconds):
            if descriptor == self._bell:
                os.eventfd_read(self._bell)
                seats.update(dict.fromkeys(self._let_in()))
            elif seat := self._watchers.get(descriptor):  # None: closed here, still open elsewhere
                with suppress(OSError):  # the same, but nobody has let go of it: its turn will tell
                    seat.note(descriptor, event)
                seats[seat] = None
        return seats

    def _let_in(self) -> Iterable[Seat]:
        while self._arrived:
            seat = self._arrived.popleft()
            if not seat.is_empty:
                self._present.add(seat)
                yield seat

"""The answers in one piece that this worker waits for, and how to end the waiting when the worker has no more time.

Nobody hears of such an answer before it is whole, so one that is cut short is an error to its client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Call:
    """One question; its provider says how to end the wait for the answer."""

    def __init__(self, *, patient: bool) -> None:
        self.patient = patient
        self._stop: Callable[[], None] = _nothing
        self._is_cut = False

    def stops_by(self, stop: Callable[[], None]) -> None:
        """`stop` may be called from any thread, more than once."""
        self._stop = stop
        if self._is_cut:
            stop()

    def cut_short(self) -> None:
        self._is_cut = True
        self._stop()


class Calls:
    def __init__(self) -> None:
        self._waiting: set[Call] = set()
        self._is_over = False

    @contextmanager
    def begin(self, *, patient: bool = True) -> Iterator[Call]:
        call = Call(patient=patient)
        self._waiting.add(call)
        if self._is_over:
            call.cut_short()
        try:
            yield call
        finally:
            self._waiting.discard(call)

    def cut_short(self) -> None:
        """End those that wait, and any that comes later; from any thread."""
        self._is_over = True
        for call in list(self._waiting):
            call.cut_short()


def _nothing() -> None:
    """It has not begun to wait."""

"""SIGTERM and SIGINT, noticed wherever a run waits.

What may block for long (name resolution, a stalled peer) is done in a thread that can be left behind; the main thread only
ever waits where a signal reaches it. A signal never interrupts anything else, so no step is cut in half.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Generic, TypeVar

from lightspeed_collector.errors import Stopped

T = TypeVar("T")
_BEAT_SECONDS = 2.0
_GRACE_SECONDS = 1.0
_LAST_CHANCE_SECONDS = 1.0


class Stop:
    def __init__(self, beat: Callable[[], None]) -> None:
        """`beat` is called now and then while a run goes on or waits, to show that it lives."""
        self._beat = beat
        self._beaten_at = time.monotonic()
        self._signal: signal.Signals | None = None
        self._bell: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._step: Callable[[], bool] | None = None

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ring)
        signal.signal(
            signal.SIGIO, signal.SIG_IGN
        )  # the kernel sends one when a writer opens a record while we look for writers

    def _ring(self, number: int, frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)
        self._bell.put(self)

    @property
    def requested(self) -> bool:
        return self._signal is not None

    def check(self) -> None:
        """Raises `Stopped` when a signal came."""
        self.calm()
        if self._signal is not None:
            raise Stopped(f"stopped by {self._signal.name}: the next run goes on")

    def calm(self) -> None:
        """As `check`, for what is to be finished even when a signal came."""
        now = time.monotonic()
        if now - self._beaten_at >= _BEAT_SECONDS:
            self._beaten_at = now
            self._beat()

    @contextmanager
    def meanwhile(self, step: Callable[[], bool]) -> Iterator[None]:
        """In the block, call `step` instead of waiting for as long as it says that there is more to do."""
        self._step = step
        try:
            yield
        finally:
            self._step = None

    def sleep(self, seconds: float) -> None:
        """Raises `Stopped` as soon as a signal comes."""
        self._wait(seconds, lambda: self.requested)
        self.check()

    def rest(self, seconds: float) -> None:
        """As `sleep`, for a step that has to wait itself."""
        step, self._step = self._step, None
        try:
            self.sleep(seconds)
        finally:
            self._step = step

    def run(self, work: Callable[[], T], seconds: float, abort: Callable[[], None]) -> T | None:
        """What `work` returns, or raises; None when it takes longer than `seconds` or a signal comes.

        `abort` is called then to make `work` come back; it has a last chance to do so with a result, and is left behind
        if it doesn't.
        """
        task = _Task(work, self._bell)
        self._wait(seconds, lambda: task.done or self.requested)
        if self.requested:
            self._wait(_GRACE_SECONDS, lambda: task.done)
        if not task.done:
            abort()
            self._wait(_LAST_CHANCE_SECONDS, lambda: task.done)
        return task.result() if task.done else None

    def _wait(self, seconds: float, enough: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while not enough() and (left := until - time.monotonic()) > 0:
            self.calm()
            if self._step and not self.requested and (self._step() or enough()):
                continue
            with suppress(queue.Empty):
                self._bell.get(timeout=min(left, _BEAT_SECONDS))


class _Task(Generic[T]):
    def __init__(self, work: Callable[[], T], bell: queue.SimpleQueue[object]) -> None:
        self._work = work
        self._bell = bell
        self._result: T | None = None
        self._error: BaseException | None = None
        self.done = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
            self._error = error
        self.done = True
        self._bell.put(self)

    def result(self) -> T | None:
        if self._error is not None:
            raise self._error
        return self._result

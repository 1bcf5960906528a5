import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from lightspeed_collector.errors import Stopped
from lightspeed_collector.stop import Stop


@pytest.fixture
def stop() -> Iterator[Stop]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    made = Stop(lambda: None)
    made.install()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


def ring(after: float = 0.1) -> None:
    threading.Timer(after, os.kill, (os.getpid(), signal.SIGTERM)).start()


def test_work_that_ends_in_time(stop: Stop) -> None:
    assert stop.run(lambda: 7, 30, lambda: None) == 7


def test_work_that_fails(stop: Stop) -> None:
    with pytest.raises(ZeroDivisionError):
        stop.run(lambda: 1 // 0, 30, lambda: None)


def test_work_that_takes_too_long_is_aborted_and_heard(stop: Stop) -> None:
    gate = threading.Event()
    assert stop.run(lambda: gate.wait(30) and "aborted", 0.05, gate.set) == "aborted"


def test_work_that_can_not_be_aborted_is_left_behind(stop: Stop) -> None:
    gate = threading.Event()
    began = time.monotonic()
    assert stop.run(lambda: gate.wait(30), 0.05, lambda: None) is None
    assert time.monotonic() - began < 3
    gate.set()


def test_signal_aborts_work_within_seconds(stop: Stop) -> None:
    gate = threading.Event()
    ring()
    began = time.monotonic()
    stop.run(lambda: gate.wait(30), 30, gate.set)
    assert time.monotonic() - began < 3
    with pytest.raises(Stopped, match="SIGTERM"):
        stop.check()


def test_signal_ends_sleep(stop: Stop) -> None:
    ring()
    began = time.monotonic()
    with pytest.raises(Stopped):
        stop.sleep(30)
    assert time.monotonic() - began < 3


def test_left_behind_work_does_not_disturb_what_comes_after(stop: Stop) -> None:
    gate = threading.Event()
    stop.run(lambda: gate.wait(30), 0.01, lambda: None)
    gate.set()
    assert stop.run(lambda: "second", 30, lambda: None) == "second"


def test_it_shows_that_it_lives_while_it_waits() -> None:
    beats: list[float] = []
    stop = Stop(lambda: beats.append(time.monotonic()))
    gate = threading.Event()
    threading.Timer(2.5, gate.set).start()
    stop.run(lambda: gate.wait(30), 30, lambda: None)
    assert beats

"""Workers in real processes, each on a processor of its own."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lightspeed_stack.daemon import processors
from tests.fakes.daemon import Stack

needs_two = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor only")


def workers(stack: Stack) -> dict[int, frozenset[int]]:
    """The processors that each worker may run on."""
    pid = stack.popen.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = {}
    for child in map(int, children):
        with suppress(ProcessLookupError):  # it has just ended
            found[child] = frozenset(os.sched_getaffinity(child))
    return found


def test_least_used() -> None:
    first, *others = sorted(os.sched_getaffinity(0))
    assert processors.least_used([]) == first
    assert processors.least_used([None]) == first
    assert processors.least_used([first]) == (others[0] if others else first)
    assert processors.least_used([first, first, *others]) == (others[0] if others else first)


@needs_two
def test_each_worker_has_one_and_its_successor_takes_it(tmp_path: Path) -> None:
    with Stack(tmp_path, {"service": {"workers": 2}}) as stack:
        before = workers(stack)
        assert sorted(map(len, before.values())) == [1, 1]
        assert len(set(before.values())) == 2
        os.kill(next(iter(before)), signal.SIGKILL)
        deadline = time.monotonic() + 20
        while (after := workers(stack)).keys() == before.keys() or set(after.values()) != set(before.values()):
            assert time.monotonic() < deadline, after


@needs_two
def test_workers_run_anywhere_when_told_so(tmp_path: Path) -> None:
    with Stack(tmp_path, {"service": {"workers": 2, "pin_workers": False}}) as stack:
        assert set(workers(stack).values()) == {frozenset(os.sched_getaffinity(0))}

"""SIGKILL at the system calls of what the scenario doesn't do: dividing a refused batch, keeping the limits, forgetting what is
on its way, releasing and discarding from the quarantine, finishing a move into or out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.cases import Case, Claimed, Discarded, HalfReleased, HalfTaken, Limited, Refused, Released
from tests.crash.scenario import every_call, sample
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("make", [Refused, Limited, Claimed, Released, Discarded, HalfTaken, HalfReleased])
def test_kill_at_any_call(tmp_path: Path, make: Callable[[Path, FaultyIngress], Case]) -> None:
    strace.needed()
    with FaultyIngress() as ingress:
        counted = make(tmp_path / "counted", ingress)
        trace = tmp_path / "trace"
        assert counted.work(strace.tracing(trace)) in counted.usual
        found = strace.counts(trace)
        counted.audit()
    killed, points = 0, sample(every_call(found), skip=5)
    for name, number in points:
        with FaultyIngress() as ingress:
            case = make(tmp_path / f"{name}{number}", ingress)
            killed += case.work(strace.injecting(trace, name, number, "signal=KILL")) in (-9, 137)
            case.audit()
    assert killed > len(points) * 0.9

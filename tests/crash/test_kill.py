"""SIGKILL at the system calls that change something, then one clean run: nothing lost, nothing delivered twice.

A sample of the calls in the fast suite, all of them with LIGHTSPEED_CRASH_STRIDE=1 (make test-crash).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.scenario import Scenario, every_call, sample
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("cleanup", [True, False], ids=["delete", "keep"])
def test_kill_at_any_call_loses_and_repeats_nothing(tmp_path: Path, cleanup: bool) -> None:
    strace.needed()
    points = sample(every_call(_calls_of_a_run(tmp_path, cleanup)))
    assert points
    killed = 0
    for name, number in points:
        with FaultyIngress() as ingress:
            scenario = Scenario(tmp_path / f"{name}{number}", ingress, cleanup=cleanup)
            done = scenario.run(strace.injecting(scenario.trace, name, number, "signal=KILL"))
            killed += done.status in (-9, 137)
            assert scenario.run().status in (0, 65), (name, number, done)
            scenario.audit()
    assert killed > len(points) * 0.9


@pytest.mark.timeout(7200)
def test_kill_at_any_call_of_a_run_that_recovers(tmp_path: Path) -> None:
    """The run that goes on after a kill between acceptance and deletion is killed as well."""
    strace.needed()
    accepted = ("unlinkat", 4, "signal=KILL")
    with FaultyIngress() as ingress:
        scenario = Scenario(tmp_path / "counted", ingress)
        scenario.run(strace.injecting(scenario.trace, *accepted))
        assert scenario.run(strace.tracing(scenario.trace)).status == 65
        found = strace.counts(scenario.trace)
    killed, points = 0, sample(every_call(found))
    for name, number in points:
        with FaultyIngress() as ingress:
            scenario = Scenario(tmp_path / f"{name}{number}", ingress)
            scenario.run(strace.injecting(scenario.trace, *accepted))
            killed += scenario.run(strace.injecting(scenario.trace, name, number, "signal=KILL")).status in (-9, 137)
            assert scenario.run().status in (0, 65), (name, number)
            scenario.audit()
    assert killed > len(points) * 0.9


def _calls_of_a_run(folder: Path, cleanup: bool) -> dict[str, int]:
    with FaultyIngress() as ingress:
        scenario = Scenario(folder / "counted", ingress, cleanup=cleanup)
        assert scenario.run(strace.tracing(scenario.trace)).status == 65
        scenario.audit()
        return strace.counts(scenario.trace)

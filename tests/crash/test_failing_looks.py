"""EIO once at each system call that looks at the spool or the state, and ENOSPC at each that may make a file there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.cases import Case, Claimed, HalfReleased, Keeping, Kept, Limited, Whole
from tests.crash.scenario import sample
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.strace import Look

Make = Callable[[Path, FaultyIngress], Case]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("make", [Whole, Keeping, Kept, Limited, Claimed, HalfReleased])
def test_look_that_fails_loses_and_repeats_nothing(tmp_path: Path, make: Make) -> None:
    strace.needed()
    looks = _looks_of(make, tmp_path / "counted")
    points = [(look, "EIO") for look in looks] + [(look, "ENOSPC") for look in looks if look.makes]
    hits = 0
    met = sample(points, skip=len(make.__name__))
    for look, error in met:
        hits += _met(make, tmp_path / f"{look.name}{look.number}{error}", look, error)
    assert hits > len(met) * 0.9 - 1


def _looks_of(make: Make, folder: Path) -> list[Look]:
    with FaultyIngress() as ingress:
        counted = make(folder, ingress)
        assert counted.work(strace.looking(folder / "trace")) in counted.usual
        counted.audit()
        return strace.looks(folder / "trace", folder / "spool", folder / "state")


def _met(make: Make, folder: Path, look: Look, error: str) -> bool:
    with FaultyIngress() as ingress:
        case = make(folder, ingress)
        inject = f"inject={look.name}:error={error}:when={look.number}"
        status = case.work(strace.looking(folder / "trace", "-e", inject))
        assert status in (*case.usual, 73, 74), (look, error, status)
        case.audit()
        return strace.hit(folder / "trace", f"{folder}/spool", f"{folder}/state")

"""ENOSPC, EIO and their like at the system calls that change something, then one clean run: nothing lost or repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.cases import Case, Claimed, HalfReleased, Whole
from tests.crash.scenario import Scenario, every_call, sample
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.site import Site

DISK = [name for name in strace.CHANGING if name not in ("connect", "sendto")]
ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT", "EACCES")


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("make", "errors"), [(Whole, ERRORS), (Claimed, ERRORS[:2]), (HalfReleased, ERRORS[:2])])
def test_call_that_fails_loses_and_repeats_nothing(
    tmp_path: Path, make: Callable[[Path, FaultyIngress], Case], errors: tuple[str, ...]
) -> None:
    strace.needed()
    trace = tmp_path / "trace"
    with FaultyIngress() as ingress:
        make(tmp_path / "counted", ingress).work(strace.tracing(trace))
        found = strace.counts(trace)
    calls = every_call({name: found[name] for name in DISK if name in found})
    points = sample([(*call, error) for error in errors for call in calls])
    hits = 0
    for name, number, error in points:
        with FaultyIngress() as ingress:
            case = make(tmp_path / f"{name}{number}{error}", ingress)
            status = case.work(strace.injecting(trace, name, number, f"error={error}"))
            assert status in (*case.usual, 73, 74), (name, number, error, status)
            hits += strace.hit(trace)
            case.audit()
    assert hits > len(points) * 0.9


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("write", "ENOSPC"),
        ("pwrite64", "ENOSPC"),
        ("rename", "ENOSPC"),
        ("fsync", "EIO"),
        ("fdatasync", "EIO"),
        ("unlinkat", "EROFS"),
        ("unlinkat", "EIO"),
    ],
)
def test_disk_that_fails_from_the_start_loses_nothing(tmp_path: Path, name: str, error: str) -> None:
    strace.needed()
    with FaultyIngress() as ingress:
        scenario = Scenario(tmp_path / "site", ingress)
        prefix = strace.tracing(scenario.trace, "-e", f"inject={name}:error={error}")
        for _ in range(2):
            assert scenario.run(prefix).status in (0, 65, 73, 74)
            assert strace.hit(scenario.trace)
        assert scenario.run().status in (0, 65)
        scenario.audit()


@pytest.mark.parametrize("size", [100, 9 << 20], ids=["small", "large"])
def test_record_that_can_not_be_read_is_kept_and_the_others_go(tmp_path: Path, size: int) -> None:
    strace.needed()
    with FaultyIngress() as ingress:
        site = Site(tmp_path / "site", ingress.url)
        before = site.put(2)
        broken = site.put(1, content=b"{" + b" " * size + b"}")
        (member,) = broken
        behind = site.put(2)
        log = tmp_path / "trace"
        failing = ("strace", "-f", "-o", str(log), "-P", str(site.path(member)), "-e", "inject=read:error=EIO:when=2+")
        done = site.run(prefix=failing if size > 100 else (*failing[:-1], "inject=read:error=EIO"))
        assert (done.status, site.waiting, strace.hit(log)) == (74, broken, True)
        assert ingress.records == {**before, **behind}
        assert site.run().status == 0
        assert ingress.records == {**before, **broken, **behind}

"""SIGKILL at the system calls of what the scenario doesn't do: dividing a refused batch, keeping the limits, releasing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.scenario import every_stride
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress, accept, answer, too_large
from tests.fakes.site import Site, record

LIMIT = 4000


class Refused:
    """The batch is too large for the ingress, and so is one of its records alone."""

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        ingress.script = [too_large(LIMIT)]
        self.site, self.ingress = Site(folder, ingress.url), ingress
        self.small = {**noise(self.site, 1500), **noise(self.site, 1500), **noise(self.site, 1500)}
        self.large = noise(self.site, 9000)
        self.small |= noise(self.site, 1500)

    def work(self, prefix: tuple[str, ...]) -> int:
        return self.site.run(prefix=prefix, environ=strace.ENVIRON).status

    def audit(self) -> None:
        assert self.site.run().status in (0, 65)
        assert sorted(self.ingress.deliveries) == sorted(self.small)
        assert (self.ingress.records, self.site.quarantined, self.site.waiting) == (self.small, self.large, {})


class Limited:
    """The ingress takes nothing, and the spool has room for three records beside the batch on its way."""

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        ingress.script = [answer(403)]
        self.site, self.ingress = Site(folder, ingress.url), ingress
        self.claimed = self.site.put(1)
        assert self.site.run().status == 69
        self.old = self.site.put(3)
        self.young = self.site.put(3)
        self.site.configure(max_spool_bytes=sum(map(len, self.young.values())))

    def work(self, prefix: tuple[str, ...]) -> int:
        return self.site.run(prefix=prefix, environ=strace.ENVIRON).status

    def audit(self) -> None:
        assert self.site.run().status == 69
        assert self.site.waiting == {**self.claimed, **self.young}
        events = json.loads(self.site.collector("history", "--json").stdout)["events"]
        assert {event["member"] for event in events} == set(self.old)
        self.ingress.script = [accept()]
        assert self.site.run().status == 0
        assert self.ingress.records == {**self.claimed, **self.young}


class Released:
    """A record that was set aside goes back, whatever runs meanwhile."""

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        self.site, self.ingress = Site(folder, ingress.url), ingress
        (self.member,) = self.site.put(1, content=b"no record")
        assert self.site.run().status == 65
        (self.site.quarantine / self.member).write_bytes(record(1))

    def work(self, prefix: tuple[str, ...]) -> int:
        return self._release(prefix)

    def audit(self) -> None:
        other = self.site.put(1)
        assert self.site.run().status == 0
        assert self._release(()) in (0, 64)
        assert self.site.run().status == 0
        assert self.ingress.records == {self.member: record(1), **other}
        assert sorted(self.ingress.deliveries) == sorted(self.ingress.records)
        assert (self.site.quarantined, self.site.waiting) == ({}, {})

    def _release(self, prefix: tuple[str, ...]) -> int:
        options = {"prefix": prefix, "environ": strace.ENVIRON}
        return self.site.collector("quarantine", "release", self.member, **options).status


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("make", [Refused, Limited, Released])
def test_kill_at_any_call(tmp_path: Path, make: Callable[[Path, FaultyIngress], Refused | Limited | Released]) -> None:
    strace.needed()
    with FaultyIngress() as ingress:
        counted = make(tmp_path / "counted", ingress)
        trace = tmp_path / "trace"
        counted.work(strace.tracing(trace))
        found = strace.counts(trace)
        counted.audit()
    killed = 0
    for name, number in every_stride(found, skip=5):
        with FaultyIngress() as ingress:
            case = make(tmp_path / f"{name}{number}", ingress)
            killed += case.work(strace.injecting(trace, name, number, "signal=KILL")) in (-9, 137)
            case.audit()
    assert killed


def noise(site: Site, size: int) -> dict[str, bytes]:
    """A record that no compression makes smaller than `size`."""
    return site.put(1, content=json.dumps({"noise": os.urandom(size).hex()}).encode())

"""Runs that the scenario doesn't do, each with its audit: what is lost, sent twice or forgotten by half shows there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol

from tests.crash.scenario import FORGOTTEN, Scenario
from tests.fakes import ingress_faults as faults
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress, accept, answer, too_large
from tests.fakes.site import Site, record

_LIMIT = 4000


class Case(Protocol):
    """`work` is what is killed or meets a failing call, `usual` how it ends else; `audit` runs undisturbed, then looks."""

    site: Site
    usual: tuple[int, ...]

    def work(self, prefix: tuple[str, ...]) -> int: ...

    def audit(self) -> None: ...


class _Run:
    site: Site
    usual: tuple[int, ...] = (0,)

    def work(self, prefix: tuple[str, ...]) -> int:
        return self.site.run(prefix=prefix, environ=strace.ENVIRON).status


class Whole(_Run):
    """The scenario."""

    usual = (0, 65)

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        self._scenario = Scenario(folder, ingress, cleanup=self._cleanup())
        self.site = self._scenario.site

    def audit(self) -> None:
        assert self.site.run().status in (0, 65)
        self._scenario.audit()

    def _cleanup(self) -> bool:
        return True


class Keeping(Whole):
    """The scenario, with records that stay when they were sent."""

    def _cleanup(self) -> bool:
        return False


class Kept(_Run):
    """Records that stay after they were sent, in two batches; only the ledger knows that."""

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        self.site, self._ingress = Site(folder, ingress.url, cleanup_after_send=False), ingress
        self._records: dict[str, bytes] = {}
        for _ in range(2):
            self._records |= self.site.put(2)
            assert self.site.run().status == 0

    def audit(self) -> None:
        assert self.site.run().status == 0
        assert sorted(self._ingress.deliveries) == sorted(self._records)
        assert (self._ingress.records, self.site.waiting) == (self._records, self._records)


class Refused(_Run):
    """The batch is too large for the ingress, and so is one of its records alone."""

    usual = (0, 65)

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        ingress.script = [too_large(_LIMIT)]
        self.site, self._ingress = Site(folder, ingress.url), ingress
        self._small = {**noise(self.site, 1500), **noise(self.site, 1500), **noise(self.site, 1500)}
        self._large = noise(self.site, 9000)
        self._small |= noise(self.site, 1500)

    def audit(self) -> None:
        assert self.site.run().status in (0, 65)
        assert sorted(self._ingress.deliveries) == sorted(self._small)
        assert (self._ingress.records, self.site.quarantined, self.site.waiting) == (self._small, self._large, {})


class Limited(_Run):
    """The ingress takes nothing, and the spool has room for three records beside the batch on its way."""

    usual = (69,)

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        ingress.script = [answer(403)]
        self.site, self._ingress = Site(folder, ingress.url), ingress
        self._claimed = self.site.put(1)
        assert self.site.run().status == 69
        self._old = self.site.put(3)
        self._young = self.site.put(3)
        self.site.configure(max_spool_bytes=sum(map(len, self._young.values())))

    def audit(self) -> None:
        assert self.site.run().status == 69
        waiting = self.site.waiting
        events = json.loads(self.site.collector("history", "--json").stdout)["events"]
        dropped = {event["member"] for event in events}
        assert waiting.keys() | dropped == {**self._claimed, **self._old, **self._young}.keys()
        assert dropped == set(self._old) or (not dropped and len(waiting) == self._on_their_way())
        self._ingress.script = [accept()]
        assert self.site.run().status == 0
        assert self._ingress.records == waiting

    def _on_their_way(self) -> int:
        """When the first batch's archive could not be read, the others went to the ingress as well."""
        pending = json.loads(self.site.collector("status", "--json").stdout)["pending"]
        return sum(batch["records"] for batch in pending)


class Claimed(_Run):
    """A batch on its way, of which the ingress may know, holds a record that is to be forgotten; another waits in the spool."""

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        ingress.script = [faults.drop_response(store=True), accept()]
        self.site, self._ingress = Site(folder, ingress.url, retry_wait_seconds=1000), ingress
        self._sent = {**self.site.put(2), **self.site.put(1, "feedback"), **self.site.put(1, conversation=FORGOTTEN)}
        assert self.site.run().status == 75
        self.site.configure(retry_wait_seconds=0.01)
        self._sent |= self.site.put(2)
        self.site.put(1, conversation=FORGOTTEN)
        (self.site.transcripts / f".forget_{FORGOTTEN}_00000001").touch()

    def audit(self) -> None:
        for _ in range(2):  # the request waits for what becomes of the batch
            assert self.site.run().status == 0
        assert sorted(self._ingress.deliveries) == sorted(self._sent), "each once, the batch as it was"
        assert (self._ingress.records, self.site.waiting, self.site.quarantined) == (self._sent, {}, {})
        assert [path.name for path in self.site.transcripts.iterdir()] == []
        assert list((self.site.state / "outgoing").iterdir()) == []


class Released:
    """A record that was set aside goes back, whatever runs meanwhile."""

    usual = (0,)

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        self.site, self._ingress = Site(folder, ingress.url), ingress
        (self._member,) = self.site.put(1, content=b"no record")
        assert self.site.run().status == 65
        (self.site.quarantine / self._member).write_bytes(record(1))

    def work(self, prefix: tuple[str, ...]) -> int:
        return self._release(prefix)

    def audit(self) -> None:
        other = self.site.put(1)
        assert self.site.run().status == 0
        assert self._release(()) in (0, 64)
        assert self.site.run().status == 0
        assert self._ingress.records == {self._member: record(1), **other}
        assert sorted(self._ingress.deliveries) == sorted(self._ingress.records)
        assert (self.site.quarantined, self.site.waiting) == ({}, {})

    def _release(self, prefix: tuple[str, ...]) -> int:
        options = {"prefix": prefix, "environ": strace.ENVIRON}
        return self.site.collector("quarantine", "release", self._member, **options).status


class Discarded(Released):
    """A record whose release was cut short is discarded."""

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        super().__init__(folder, ingress)
        killed = strace.injecting(folder / "trace", "unlink", 2, "signal=KILL")
        assert self._release(killed) in (-9, 137)

    def work(self, prefix: tuple[str, ...]) -> int:
        return self._discard(prefix)

    def audit(self) -> None:
        """It is discarded when the command is repeated, unless a run has finished the release before."""
        assert self._discard(()) in (0, 64)
        assert self.site.run().status == 0
        assert (self.site.quarantined, self.site.waiting, self._ingress.uploads) == ({}, {}, [])

    def _discard(self, prefix: tuple[str, ...]) -> int:
        return self.site.collector("quarantine", "discard", self._member, prefix=prefix, environ=strace.ENVIRON).status


class HalfTaken(_Run):
    """The run that finds a record half moved into the quarantine, which the ingress would take now."""

    usual = (65,)

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        ingress.script = [answer(413)]
        self.site, self._ingress = Site(folder, ingress.url), ingress
        self._held = self.site.put(1)
        removal = strace.injecting_at(folder / "trace", self.site.transcripts, "unlinkat", "signal=KILL")
        self.site.run(prefix=removal, environ=strace.ENVIRON)
        assert self.site.waiting == self.site.quarantined == self._held
        ingress.script = [accept()]
        self._sent = self.site.put(2)

    def audit(self) -> None:
        assert self.site.run().status in (0, 65)
        assert sorted(self._ingress.deliveries) == sorted(self._sent)
        assert (self.site.quarantined, self.site.waiting) == (self._held, {})


class HalfReleased(Released):
    """The run that finds a release cut short: the record is in both places, and has a draft's name in the spool as well."""

    def __init__(self, folder: Path, ingress: FaultyIngress) -> None:
        super().__init__(folder, ingress)
        killed = strace.injecting(folder / "trace", "unlink", 2, "signal=KILL")
        assert self._release(killed) in (-9, 137)
        assert self.site.waiting == self.site.quarantined == {self._member: record(1)}

    def work(self, prefix: tuple[str, ...]) -> int:
        return self.site.run(prefix=prefix, environ=strace.ENVIRON).status


def noise(site: Site, size: int) -> dict[str, bytes]:
    """A record that no compression makes smaller than `size`."""
    return site.put(1, content=json.dumps({"noise": os.urandom(size).hex()}).encode())

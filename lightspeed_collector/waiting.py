"""What waits in the spool to be sent, and what else is there: looked at afresh, with little memory however much it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from lightspeed_collector import names
from lightspeed_collector.errors import SpoolError
from lightspeed_collector.retention import Entry
from lightspeed_collector.sent import Sent
from lightspeed_collector.spool import Spool
from lightspeed_collector.stop import Stop


@dataclass
class Survey:
    """What waits in the spool: `kept` records were sent and stay, `strangers` are not ours.

    Not `listed`: a folder could not be, and nothing here is of it. Not `measured`: nobody looked at bytes and age. Not
    `told_apart`: nobody knows which of the records that are there were sent.
    """

    records: int = 0
    bytes: int = 0
    oldest: float | None = None
    kept: int = 0
    strangers: int = 0
    listed: bool = True
    measured: bool = True
    told_apart: bool = True

    def known(self) -> dict[str, float | None]:
        """The figures, None for what is not known; `oldest` is None as well when there is none."""
        told_apart, measured = self.listed and self.told_apart, self.listed and self.measured
        return {
            "records": self.records if told_apart else None,
            "kept": self.kept if told_apart else None,
            "strangers": self.strangers if self.listed else None,
            "bytes": self.bytes if measured else None,
            "oldest": self.oldest if measured else None,
        }


class Waiting:
    """The records that were not sent, as a fresh scan finds them."""

    def __init__(self, spool: Spool, sent: Sent, stop: Stop) -> None:
        """Lists the spool even when a signal came; looking at each record ends with `Stopped` then."""
        self._spool = spool
        self._sent = sent
        self._stop = stop
        self._scan = spool.scan(stop.calm)
        self._unseen: set[str] = set()

    def __iter__(self) -> Iterator[Entry]:
        """All but those that can't be looked at, which the spool tells."""
        return self._entries(lambda member: True)

    def again(self) -> Iterator[Entry]:
        """Those that were seen before; raises `SpoolError` when one of them can't be looked at now."""
        return self._entries(self._unseen.__contains__)

    def _entries(self, may_fail: Callable[[str], bool]) -> Iterator[Entry]:
        for member in self._sent.unsent(self._scan.backlog):
            self._stop.check()
            try:
                identity = self._spool.look(member)
            except SpoolError as error:
                if not may_fail(member):
                    raise
                self._unseen.add(member)
                self._spool.tell(error)
                continue
            if identity:
                yield Entry(member, identity)

    def count(self) -> Survey:
        """Only the number of records, for whoever has no time to look at each."""
        return Survey(
            records=len(self._scan.backlog),
            strangers=self._scan.strangers,
            listed=self._listed,
            measured=False,
            told_apart=not self._sent.any(),
        )

    @property
    def _listed(self) -> bool:
        return not self._spool.unlisted

    def survey(self, without: Collection[str] = ()) -> Survey:
        """Of all records, or of those that are not members of batches on their way; those count as kept then."""
        found = Survey(strangers=self._scan.strangers, listed=self._listed)
        for entry in self:
            if entry.member in without:
                continue
            found.records += 1
            found.bytes += entry.identity.size
            if found.oldest is None:
                found.oldest = names.written_at(names.split(entry.member)[1])
        found.kept = len(self._scan.backlog) - found.records
        return found

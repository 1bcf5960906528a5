"""Reads waiting records one by one and sets aside what isn't one, so that nothing bad ever blocks what is behind it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

from lightspeed_collector import events, record
from lightspeed_collector.errors import Error, LedgerCorrupt, SpoolError
from lightspeed_collector.history import QUARANTINED, Event, History
from lightspeed_collector.large import Unsettled
from lightspeed_collector.quarantine import Quarantine, is_being_written
from lightspeed_collector.report import Report
from lightspeed_collector.retention import Entry
from lightspeed_collector.spool import Gone, Record, Spool
from lightspeed_stack.daemon import exits

log = logging.getLogger(__name__)

SETTLE_SECONDS = 60.0
_EDGE = 4096
_OFTEN = 100


class Intake:
    def __init__(
        self, spool: Spool, quarantine: Quarantine, history: History, report: Report, pause: Callable[[], None]
    ) -> None:
        self._spool = spool
        self._quarantine = quarantine
        self._history = history
        self._report = report
        self._pause = pause

    def records(self, members: Iterable[str]) -> Iterator[Record]:
        """Those of `members` that are sound records and can be read now; large ones are for the caller to close."""
        for count, member in enumerate(members):
            if not count % _OFTEN:
                self._pause()
            try:
                found, fault = examine(self._spool, member)
            except (Gone, Unsettled):
                continue
            except SpoolError as error:
                self._report.problem(error)
                continue
            if fault:
                self._refuse(found.entry, fault)
            else:
                yield found

    def set_aside(self, entry: Entry, reason: str) -> None:
        """Into the quarantine; a record that can't be moved there stays where it is."""
        try:
            kept = self._quarantine.take(entry, reason, self._spool)
            if kept is None:
                return
            if kept != entry.member:
                reason = f"{reason}; held as {kept}, another record had its name"
            self.tell(entry, reason)
        except Gone:
            return
        except LedgerCorrupt:
            raise
        except Error as error:
            self._report.problem(error)

    def tell(self, entry: Entry, reason: str) -> None:
        """Log, count and remember that it is in the quarantine now."""
        self._report.quarantined += 1
        self._report.counted(exits.DATAERR)
        fields = events.fields(events.RECORD_QUARANTINED, record=entry.member, reason=reason)
        log.warning("quarantined %s: %s", entry.member, reason, extra=fields)
        self._history.note([Event(time.time(), QUARANTINED, entry.member, entry.identity.size, reason)])

    def _refuse(self, entry: Entry, fault: str) -> None:
        if may_be_unfinished(self._spool, entry):
            log.warning("left alone, it may still be being written: %s (%s)", entry.member, fault)
        else:
            self.set_aside(entry, fault)


def examine(spool: Spool, member: str) -> tuple[Record, str | None]:
    """The record, and why it is none (a large one is closed then); raises `Gone`, `Unsettled`, `SpoolError`."""
    found = spool.read(member)
    if found.data is not None:
        return found, record.fault(found.data)
    assert found.large
    with ExitStack() as unfit:
        unfit.callback(found.large.close)
        fault = record.edges_fault(*found.large.edges(_EDGE))
        if fault is None:
            unfit.pop_all()
    return found, fault


def may_be_unfinished(spool: Spool, entry: Entry) -> bool:
    """Writers that don't keep to the contract make half-written records; wait for them."""
    try:
        with spool.open(entry.member) as (descriptor, identity):
            writing = is_being_written(descriptor)
    except (Gone, SpoolError):
        return True
    age = time.time() - identity.mtime_ns / 1_000_000_000
    return 0 <= age < SETTLE_SECONDS if writing is None else writing

"""Keeps the spool within its limits after every run, and counts what is left in it.

What is dropped is in the history before it is gone, one line of the log for each record. Never dropped: records of a
batch on its way, records that were sent and are kept, the quarantine.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from lightspeed_collector import events, names, retention
from lightspeed_collector.errors import SpoolError
from lightspeed_collector.history import DROPPED, Event, History
from lightspeed_collector.report import Report
from lightspeed_collector.retention import Entry, Limits, Surplus
from lightspeed_collector.sent import Sent
from lightspeed_collector.spool import Spool
from lightspeed_collector.stop import Stop

log = logging.getLogger(__name__)

_CHUNK = 1000


@dataclass
class Survey:
    """What waits in the spool: `kept` records were sent and stay, `strangers` are not ours."""

    records: int = 0
    bytes: int = 0
    oldest: float | None = None
    kept: int = 0
    strangers: int = 0


class Waiting:
    """The records that were not sent, as a fresh scan finds them."""

    def __init__(self, spool: Spool, sent: Sent, stop: Stop) -> None:
        """Lists the spool even when a signal came; looking at each record ends with `Stopped` then."""
        self._spool = spool
        self._sent = sent
        self._stop = stop
        self._scan = spool.scan(stop.calm)

    def __iter__(self) -> Iterator[Entry]:
        for member in self._sent.unsent(self._scan.backlog):
            self._stop.check()
            identity = self._spool.look(member)
            if identity:
                yield Entry(member, identity)

    def count(self) -> Survey:
        """Only the number of records, for whoever has no time to look at each."""
        total = len(self._scan.backlog)
        kept = min(total, len(self._sent))
        return Survey(records=total - kept, kept=kept, strangers=self._scan.strangers)

    def survey(self) -> Survey:
        found = Survey(strangers=self._scan.strangers)
        for entry in self:
            found.records += 1
            found.bytes += entry.identity.size
            if found.oldest is None:
                found.oldest = names.written_at(names.split(entry.member)[1])
        found.kept = max(0, len(self._scan.backlog) - found.records)
        return found


def bounds(max_bytes: int | None, max_age: float | None, last_run: float, now: float) -> Limits:
    """The limits to hold now.

    When most of `max_age` has passed since the last run, the machine was off or its clock leapt: age waits for the next
    run, lest a wrong clock empties the spool.
    """
    leapt = max_age is not None and now - last_run > max_age / 2
    return Limits(max_bytes, None if leapt else max_age)


def enforce(
    waiting: Waiting,
    limits: Limits,
    claimed: Collection[str],
    spool: Spool,
    history: History,
    report: Report,
    now: float,
) -> Survey:
    """Drop the surplus; returns what is left."""
    survey = waiting.survey()
    free = (entry for entry in waiting if entry.member not in claimed)
    excess = retention.surplus(free, survey.bytes, limits, now)
    while some := list(islice(excess, _CHUNK)):
        history.note(Event(now, DROPPED, one.entry.member, one.entry.identity.size, one.reason) for one in some)
        for one in some:
            survey = _drop(one, survey, spool, report)
    return survey


def _drop(one: Surplus, survey: Survey, spool: Spool, report: Report) -> Survey:
    member, identity = one.entry
    try:
        gone = spool.delete(one.entry)
    except SpoolError as error:
        report.problem(error)
        return survey
    if gone:
        report.dropped += 1
        fields = events.fields(events.RECORD_DROPPED, record=member, reason=one.reason)
        log.warning("dropped %s, never sent: %s", member, one.reason, extra=fields)
    return replace(survey, records=survey.records - 1, bytes=survey.bytes - identity.size)

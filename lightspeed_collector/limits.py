"""Keeps the spool within its limits after every run, and counts what is left in it.

What is dropped is in the history before it is gone, one line of the log for each record. Never dropped, nor counted
against a limit: records of a batch on its way, records that were sent and are kept, the quarantine.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from itertools import islice
from typing import NamedTuple

from lightspeed_collector import backoff, events, retention
from lightspeed_collector.age import Watch
from lightspeed_collector.errors import SpoolError
from lightspeed_collector.history import DROPPED, Event, History
from lightspeed_collector.report import Report
from lightspeed_collector.retention import Limits, Surplus
from lightspeed_collector.spool import Spool
from lightspeed_collector.waiting import Survey, Waiting

log = logging.getLogger(__name__)

_CHUNK = 1000


class Left(NamedTuple):
    """What is left in the spool: all of it, and what is in no batch on its way."""

    waiting: Survey
    free: Survey


def warn_of_age(free: Survey, watch: Watch) -> None:
    """Say before it happens that records will be dropped for their age."""
    if free.oldest is not None and free.oldest < watch.now - watch.max_age:
        text = "records since %s are over max_record_age: those that are not sent may be dropped in %.1f hours"
        log.warning(text, backoff.at(free.oldest), watch.left / 3600)


def enforce(
    waiting: Waiting,
    limits: Limits,
    claimed: Collection[str],
    spool: Spool,
    history: History,
    report: Report,
    now: float,
) -> Left:
    """Drop the surplus. Raises `Stopped`, `SpoolError`."""
    left = _look(waiting, claimed)
    free = (entry for entry in waiting.again() if entry.member not in claimed)
    excess = retention.surplus(free, left.free.bytes, limits)
    dropped = False
    while some := list(islice(excess, _CHUNK)):
        history.note(Event(now, DROPPED, one.entry.member, one.entry.identity.size, one.reason) for one in some)
        for one in some:
            _drop(one, spool, report)
        dropped = True
    return _look(waiting, claimed) if dropped else left


def _look(waiting: Waiting, claimed: Collection[str]) -> Left:
    survey = waiting.survey()
    return Left(survey, waiting.survey(claimed) if claimed else survey)


def _drop(one: Surplus, spool: Spool, report: Report) -> None:
    try:
        gone = spool.delete(one.entry)
    except SpoolError as error:
        report.problem(error)
        return
    if gone:
        report.dropped += 1
        fields = events.fields(events.RECORD_DROPPED, record=one.entry.member, reason=one.reason)
        log.warning("dropped %s, never sent: %s", one.entry.member, one.reason, extra=fields)

"""Finishes moves into and out of the quarantine that were cut short, so that no record is in both places when others are sent."""

from __future__ import annotations

import logging
import time

from lightspeed_collector import names
from lightspeed_collector.errors import LedgerCorrupt, SpoolError, StateError
from lightspeed_collector.history import RELEASED, Event, History
from lightspeed_collector.intake import Intake
from lightspeed_collector.quarantine import Held, Quarantine
from lightspeed_collector.report import Report
from lightspeed_collector.retention import Entry
from lightspeed_collector.spool import Spool

log = logging.getLogger(__name__)


class Unfinished:
    def __init__(self, spool: Spool, quarantine: Quarantine, intake: Intake, history: History, report: Report) -> None:
        self._spool = spool
        self._quarantine = quarantine
        self._intake = intake
        self._history = history
        self._report = report

    def finish(self) -> set[str]:
        """Called `alone`. Returns those whose move could not be finished: to send them now could be to send them twice."""
        held = [one for one in self._quarantine.held() if names.split(one.member)[0] in self._spool.descriptors]
        return {one.member for one in held if not self._finish(one)}

    def _finish(self, held: Held) -> bool:
        try:
            if held.releasing:
                self._release(held)
            else:
                self._leave(held)
        except LedgerCorrupt:
            raise
        except (StateError, SpoolError) as error:
            self._report.problem(error)
            return False
        return True

    def _release(self, held: Held) -> None:
        self._quarantine.release(held, self._spool.path(held.member).parent)
        log.info("released %s, as an operator had begun to", held.member)
        self._history.note([Event(time.time(), RELEASED, held.member, held.size, held.reason)])

    def _leave(self, held: Held) -> None:
        entry = halfway(held, self._spool)
        if entry and self._spool.delete(entry):
            self._spool.sync()
            self._intake.tell(entry, held.reason)


def halfway(held: Held, spool: Spool) -> Entry | None:
    """The record in the spool of this name, if it is in the quarantine as well; raises `StateError`, `SpoolError`."""
    identity = spool.look(held.member)
    return Entry(held.member, identity) if identity and held.keeps(spool.path(held.member)) else None

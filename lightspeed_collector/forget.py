"""Honours requests to forget a conversation (SPOOL.md, "Forgetting a conversation"), in the order that a crash can't harm.

Records of a batch that was claimed and isn't done yet count as sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable

from lightspeed_collector import events, names
from lightspeed_collector.errors import Error
from lightspeed_collector.history import FORGOTTEN, Event, History
from lightspeed_collector.quarantine import Quarantine
from lightspeed_collector.report import Report
from lightspeed_collector.spool import Spool

log = logging.getLogger(__name__)


class Forgetting:
    def __init__(self, spool: Spool, quarantine: Quarantine, history: History, report: Report) -> None:
        self._spool = spool
        self._quarantine = quarantine
        self._history = history
        self._report = report

    def honour(
        self,
        requests: Collection[tuple[str, str]],
        listing: Callable[[], Iterable[str]],
        claimed: Collection[str],
    ) -> set[str]:
        """Remove the records that the requests cover and that are not `claimed`, then the requests.

        `listing` lists the records anew, while nobody can release one. Returns those that can't be removed: they are not
        to be sent, and their requests stay.
        """
        with self._quarantine.alone():
            return self._honour(requests, listing(), claimed)

    def _honour(
        self, requests: Collection[tuple[str, str]], members: Iterable[str], claimed: Collection[str]
    ) -> set[str]:
        wanted = {(storage, names.forgotten(name)) for storage, name in requests}
        covered = (member for member in members if _key(member) in wanted and member not in claimed)
        left = {member for member in covered if not self._remove(member)}
        unmet = set(map(_key, left))
        for held in self._quarantine.held():
            if _key(held.member) in wanted:
                self._quarantine.discard(held)
                self._tell(held.member, held.size)
        self._spool.sync()
        for storage, name in requests:
            if (storage, names.forgotten(name)) not in unmet:
                self._remove_request(f"{storage}/{name}")
        self._spool.sync()
        return left

    def _remove(self, member: str) -> bool:
        """Whether the record is gone."""
        try:
            identity = self._spool.look(member)
            if identity and self._spool.unlink(member):
                self._tell(member, identity.size)
        except Error as error:
            self._report.problem(error)
            return False
        return True

    def _remove_request(self, request: str) -> None:
        try:
            self._spool.unlink(request)
        except Error as error:
            self._report.problem(error)

    def _tell(self, member: str, size: int) -> None:
        self._history.note([Event(time.time(), FORGOTTEN, member, size, "on request")])
        self._report.forgotten += 1
        log.info("forgot %s", member, extra=events.fields(events.CONVERSATION_FORGOTTEN, record=member))


def _key(member: str) -> tuple[str, str | None]:
    storage, name = names.split(member)
    return storage, names.conversation(name)

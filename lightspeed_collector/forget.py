"""Honours requests to forget a conversation (SPOOL.md, "Forgetting a conversation"), in the order that a crash can't harm.

Records of a batch that was claimed and isn't done yet may have been sent: the request waits for what becomes of it, and none
of them is sent in another batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import TypeAlias

from lightspeed_collector import events, names
from lightspeed_collector.errors import Error, LedgerCorrupt
from lightspeed_collector.history import FORGOTTEN, Event, History
from lightspeed_collector.quarantine import Quarantine
from lightspeed_collector.report import Report
from lightspeed_collector.spool import Scan, Spool

log = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, str | None]
"""A storage and a conversation."""


class Forgetting:
    def __init__(self, spool: Spool, quarantine: Quarantine, history: History, report: Report) -> None:
        self._spool = spool
        self._quarantine = quarantine
        self._history = history
        self._report = report

    def honour(
        self,
        requests: Collection[tuple[str, str]],
        found: Scan,
        claimed: Collection[str],
    ) -> set[Key]:
        """Remove the records that the requests cover and that are not `claimed`, then the requests.

        `found` is a listing that was begun after the one that found the requests had ended, while nobody could release
        a record. Returns what is claimed, could not be removed, or not be listed: it is not to be sent in a new batch, and the
        requests stay.
        """
        wanted = {(storage, names.forgotten(name)) for storage, name in requests}
        covered = (member for member in found.backlog if key(member) in wanted and member not in claimed)
        unmet = {key(member) for member in covered if not self._remove(member)}
        unmet |= {one for one in wanted if one[0] in found.failed}
        unmet |= wanted & set(map(key, claimed))
        for held in self._quarantine.held():
            if key(held.member) in wanted:
                self._quarantine.discard(held)
                self._tell(held.member, held.size)
        self._spool.sync()
        for storage, name in requests:
            if (storage, names.forgotten(name)) not in unmet:
                self._remove_request(f"{storage}/{name}")
        self._spool.sync()
        return unmet

    def _remove(self, member: str) -> bool:
        """Whether the record is gone."""
        try:
            identity = self._spool.look(member)
            if identity and self._spool.unlink(member):
                self._tell(member, identity.size)
        except LedgerCorrupt:
            raise
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
        self._report.forgotten += 1
        log.info("forgot %s", member, extra=events.fields(events.CONVERSATION_FORGOTTEN, record=member))
        self._history.note([Event(time.time(), FORGOTTEN, member, size, "on request")])


def key(member: str) -> Key:
    """What a request for it says."""
    storage, name = names.split(member)
    return storage, names.conversation(name)

"""The state directory: `ledger.sqlite`, `outgoing/` (archives on their way), `quarantine/`, `lock`."""

from __future__ import annotations

import logging
import os
import time
from contextlib import closing
from pathlib import Path

from lightspeed_collector import events
from lightspeed_collector.database import Database, has_content
from lightspeed_collector.durable import sync_folder
from lightspeed_collector.errors import LedgerCorrupt, StateError

log = logging.getLogger(__name__)


class State:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.sqlite"
        self.outgoing = folder / "outgoing"
        self.quarantine = folder / "quarantine"
        self.lock = folder / "lock"
        self._used = False

    def prepare(self) -> None:
        """Make what is missing; raises `StateError`."""
        try:
            if not self.folder.exists():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(self.folder.parent)
            self._used = self.quarantine.exists()
            for folder in (self.outgoing, self.quarantine):
                folder.mkdir(mode=0o700, exist_ok=True)
            if not self._used:
                sync_folder(self.folder)
        except OSError as error:
            raise StateError(f"{error.filename or self.folder}: {error.strerror}") from error

    def open(self) -> Database:
        """The ledger's database, a new one when there was none; raises `LedgerCorrupt`, `StateError`."""
        if self._used and not has_content(self.ledger):
            text = "%s is missing or empty, and begun anew: records that were sent and kept are sent again"
            log.warning(text, self.ledger, extra=events.fields(events.LEDGER_SET_ASIDE))
        return Database(self.ledger)

    def check(self) -> None:
        """Read all of the ledger; raises `LedgerCorrupt`, `StateError`."""
        with closing(Database(self.ledger)) as database:
            database.check()

    def set_aside(self, cause: LedgerCorrupt) -> None:
        """Keep a corrupt ledger for people to look at, and be ready for a new one; raises `StateError`."""
        kept = self.ledger.with_name(f"{self.ledger.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        text = "the ledger is corrupt and begun anew (%s); kept as %s; batches not acknowledged may be sent again"
        log.warning(text, cause, kept, extra=events.fields(events.LEDGER_SET_ASIDE))
        try:
            os.rename(self.ledger, kept)
            self.ledger.with_name(self.ledger.name + "-journal").unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise StateError(f"{self.ledger}: {error.strerror}") from error

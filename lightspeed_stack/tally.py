"""How many records of each kind were made in each hour: statistics for the status page, nothing more.

Counted in memory and added to the database by a thread of its own every few seconds: no request waits for it and no
user meets an error of it. A crash loses the last seconds of the count, never a record. Kept for `KEEP_DAYS`.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lightspeed_stack.database import NO_VALUES, Connection, Database, DatabaseError

if TYPE_CHECKING:
    from sqlalchemy import URL

TRANSCRIPTS = "transcripts"
FEEDBACK = "feedback"
POSITIVE = "positive"
NEGATIVE = "negative"

KEEP_DAYS = 40
EVERY_SECONDS = 5.0
LAST_SECONDS = 2.0
_HOUR = "%Y-%m-%dT%H"

_TABLE = """CREATE TABLE IF NOT EXISTS record_tally (
    hour TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, kind)
)"""
_ADD = """INSERT INTO record_tally (hour, kind, count) VALUES (:hour, :kind, :count)
    ON CONFLICT (hour, kind) DO UPDATE SET count = record_tally.count + excluded.count"""
_SINCE = "SELECT hour, kind, count FROM record_tally WHERE hour >= :first"
_FORGET = "DELETE FROM record_tally WHERE hour < :before"

log = logging.getLogger(__name__)

Counts = Mapping[tuple[datetime, str], int]


class Tally:
    """Shared by all threads; several processes add up. To be made after the fork."""

    def __init__(self, url: str | URL, every_seconds: float = EVERY_SECONDS) -> None:
        self._database = Database(url, _prepare)
        self._every_seconds = every_seconds
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._counted = threading.Event()
        self._closed = threading.Event()
        self._writer: threading.Thread | None = None
        self._failing = False

    def count(self, now: datetime, *kinds: str) -> None:
        """One more of each of `kinds`; never raises, never waits for the database."""
        hour = now.astimezone(UTC).isoformat(timespec="hours")[: len("2026-11-22T07")]
        with self._lock:
            for kind in kinds:
                self._counts[hour, kind] += 1
            if self._writer is None:
                self._begin()
        if not self._counted.is_set():
            self._counted.set()

    def since(self, first: datetime) -> Counts:
        """What is in the database, from the hour of `first` on; raises DatabaseError."""
        rows = self._database.rows(_SINCE, {"first": first.astimezone(UTC).strftime(_HOUR)})
        return {(_began(hour), kind): count for hour, kind, count in rows}

    def close(self) -> None:
        """Write what has been counted, if that takes no longer than a moment, and end."""
        self._closed.set()
        self._counted.set()
        if self._writer is not None:
            self._writer.join(LAST_SECONDS)
        self._database.close()

    def _begin(self) -> None:
        writer = threading.Thread(target=self._write, name="tally", daemon=True)
        try:
            writer.start()
        except RuntimeError as error:  # the next who counts tries again
            self._put_off(error)
        else:
            self._writer = writer

    def _write(self) -> None:
        while not self._closed.is_set():
            self._counted.wait()
            self._closed.wait(self._every_seconds)
            self._counted.clear()
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        try:
            self._add(counts)
            self._failing = False
        except DatabaseError as error:
            with self._lock:
                self._counts.update(counts)
            self._counted.set()
            self._put_off(error)

    def _put_off(self, error: Exception) -> None:
        log.log(logging.DEBUG if self._failing else logging.WARNING, "records are not tallied for now: %s", error)
        self._failing = True

    def _add(self, counts: Counter[tuple[str, str]]) -> None:
        if not counts:
            return
        rows = [{"hour": hour, "kind": kind, "count": count} for (hour, kind), count in sorted(counts.items())]
        oldest = datetime.now(UTC) - timedelta(days=KEEP_DAYS)
        self._database.change(*((_ADD, row) for row in rows), (_FORGET, {"before": oldest.strftime(_HOUR)}))


def _prepare(connection: Connection) -> str | None:
    connection.rows(_TABLE, NO_VALUES)
    return None


def _began(hour: str) -> datetime:
    return datetime.strptime(hour, _HOUR).replace(tzinfo=UTC)

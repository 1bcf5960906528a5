"""What happened and when: runs, receipts, and the fate of every record that left the spool without being sent.

Kept for `history_days`; the totals for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lightspeed_collector import backoff, names
from lightspeed_collector.age import Watch
from lightspeed_collector.database import Database, text
from lightspeed_collector.packed import unpack

DROPPED = "dropped"
QUARANTINED = "quarantined"
RELEASED = "released"
DISCARDED = "discarded"
FORGOTTEN = "forgotten"


class Event(NamedTuple):
    """Something that happened to a record other than being sent."""

    at: float
    fate: str
    member: str
    bytes: int
    reason: str


class Run(NamedTuple):
    started_at: float
    ended_at: float
    status: int
    report: Mapping[str, Any]


class Delivery(NamedTuple):
    """A batch that the ingress took."""

    accepted_at: float
    batch_id: str
    request_id: str
    http_status: int
    records: int
    archive_bytes: int
    members: tuple[str, ...]


class History:
    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, events: Iterable[Event]) -> None:
        with self._database.transaction():
            self._database.execute_many(
                "INSERT INTO event (at, fate, member, bytes, reason) VALUES (?, ?, ?, ?, ?)", events
            )

    def events(self, limit: int, conversation: str | None = None) -> list[Event]:
        """Newest first."""
        sql = (
            "SELECT at, fate, member, bytes, reason FROM event WHERE ?1 IS NULL OR instr(member, '_' || ?1 || '_')"
            " ORDER BY at DESC, rowid DESC LIMIT ?2"
        )
        return self._database.read(_event, sql, conversation, limit)

    def record_run(self, run: Run, totals: Mapping[str, float]) -> None:
        """Remember a run and add `totals` to those since the beginning."""
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO run (started_at, ended_at, status, report) VALUES (?, ?, ?, ?)",
                *(run.started_at, run.ended_at, run.status, json.dumps(run.report)),
            )
            self._database.execute_many(
                "INSERT INTO fact (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
                ((f"total_{key}", value) for key, value in totals.items()),
            )

    def totals(self) -> dict[str, float]:
        """Everything ever added, by name."""
        return dict(self._database.read(_fact, "SELECT substr(key, 7), value FROM fact WHERE key GLOB 'total_*'"))

    def watch(self) -> Watch | None:
        """What the last run noted of ages."""
        rows = dict(self._database.read(_fact, "SELECT substr(key, 5), value FROM fact WHERE key GLOB 'age_*'"))
        return Watch(**rows) if rows.keys() == set(Watch._fields) else None

    def keep_watch(self, watch: Watch) -> None:
        with self._database.transaction():
            self._database.execute_many(
                "INSERT OR REPLACE INTO fact (key, value) VALUES (?, ?)",
                ((f"age_{key}", value) for key, value in watch._asdict().items()),
            )

    def runs(self, limit: int) -> list[Run]:
        """Newest first."""
        sql = "SELECT started_at, ended_at, status, report FROM run ORDER BY rowid DESC LIMIT ?"
        return self._database.read(_run, sql, limit)

    def last_success(self) -> float | None:
        """When a run last ended that left nothing undone."""
        ended: float | None = self._database.query("SELECT max(ended_at) FROM run WHERE status IN (0, 65)")[0][0]
        return ended

    def deliveries(self, limit: int, conversation: str | None = None) -> Iterator[Delivery]:
        """Newest first; of one conversation, only its members."""
        rows = self._database.query("SELECT id FROM batch WHERE accepted_at IS NOT NULL ORDER BY accepted_at DESC")
        for (batch_id,) in rows:
            if not limit:
                return
            delivery = self._delivery(batch_id, conversation)
            if delivery.members:
                limit -= 1
                yield delivery

    def prune(self, before: float) -> None:
        """Forget what is older than `before`."""
        with self._database.transaction():
            self._database.execute("DELETE FROM event WHERE at < ?", before)
            self._database.execute("DELETE FROM run WHERE ended_at < ?", before)
            self._database.execute("DELETE FROM batch WHERE state = 'done' AND accepted_at < ?", before)

    def _delivery(self, batch_id: str, conversation: str | None) -> Delivery:
        sql = "SELECT accepted_at, id, request_id, http_status, records, archive_bytes, members FROM batch WHERE id = ?"
        (found,) = self._database.read(_delivered, sql, batch_id)
        if conversation is None:
            return found
        mine = (one for one in found.members if names.conversation(names.split(one)[1]) == conversation)
        return found._replace(members=tuple(mine))


def _event(at: float, fate: str, member: str, size: int, reason: str) -> Event:
    return Event(float(at), text(fate), text(member), int(size), text(reason))


def _fact(key: str, value: float) -> tuple[str, float]:
    return text(key), float(value)


def _run(started_at: float, ended_at: float, status: int, report: str) -> Run:
    return Run(float(started_at), float(ended_at), int(status), dict(json.loads(report)))


def _delivered(at: float, batch: str, request: str, status: int, records: int, size: int, members: bytes) -> Delivery:
    return Delivery(float(at), text(batch), text(request), int(status), int(records), int(size), tuple(unpack(members)))


def lines(deliveries: Iterable[Delivery], events: Iterable[Event], *, members: bool) -> Iterator[str]:
    """For people: what was sent, each batch with its `members` if so wished, then what happened to other records."""
    for one in deliveries:
        yield (
            f"{backoff.at(one.accepted_at)}  sent batch {one.batch_id}, {one.records} records, {one.archive_bytes} bytes,"
            f" answered {one.http_status}, request id {one.request_id or 'unknown'}"
        )
        if members:
            yield from (f"    {member}" for member in one.members)
    for event in events:
        yield f"{backoff.at(event.at)}  {event.fate} {event.member}: {event.reason}"


def as_json(value: Event | Delivery | Run) -> dict[str, Any]:
    return value._asdict()

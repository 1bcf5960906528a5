"""What was claimed, what was accepted, what is done: the memory that makes a crash harmless.

A batch is claimed before a byte of it is sent, and its receipt is committed before a record is deleted. Every method
that changes something returns when the change is on the disk.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from lightspeed_collector import names
from lightspeed_collector.batch import Batch, Identity
from lightspeed_collector.database import Database, text
from lightspeed_collector.packed import pack, unpack
from lightspeed_collector.retention import Entry


class Receipt(NamedTuple):
    """The ingress's word that it has a batch."""

    http_status: int
    request_id: str
    accepted_at: float


class Ledger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, batch: Batch, now: float) -> None:
        row = (batch.id, batch.sha256, batch.archive_bytes, len(batch.members), pack(batch.members))
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO batch (id, state, sha256, archive_bytes, records, members, identities, claimed_at)"
                " VALUES (?, 'claimed', ?, ?, ?, ?, ?, ?)",
                *row,
                pack(map(identity_text, batch.identities)),
                now,
            )

    def claimed(self) -> list[Batch]:
        """Batches that may have been sent and were not acknowledged, oldest first."""
        return self._batches("claimed")

    def accepted(self) -> list[Batch]:
        """Batches with a receipt whose records may still be in the spool, oldest first."""
        return self._batches("accepted")

    def receipt(self, batch: Batch, receipt: Receipt) -> None:
        with self._database.transaction():
            self._database.execute(
                "UPDATE batch SET state = 'accepted', http_status = ?, request_id = ?, accepted_at = ? WHERE id = ?",
                receipt.http_status,
                receipt.request_id,
                receipt.accepted_at,
                batch.id,
            )

    def finish(self, batch: Batch, remaining: Sequence[Entry], now: float) -> None:
        """Nothing is left to do for an accepted batch; `remaining` of its records were not deleted."""
        with self._database.transaction():
            self._database.execute_many(
                "INSERT OR REPLACE INTO sent (storage, name, identity, looked_at) VALUES (?, ?, ?, ?)",
                ((*names.split(entry.member), identity_text(entry.identity), now) for entry in remaining),
            )
            self._database.execute("UPDATE batch SET state = 'done', identities = NULL WHERE id = ?", batch.id)

    def release(self, batch: Batch) -> None:
        """Forget a claim: the ingress refused the batch, or there is nothing to send it from."""
        with self._database.transaction():
            self._database.execute("DELETE FROM batch WHERE id = ? AND state = 'claimed'", batch.id)

    def knows(self, batch_id: str) -> bool:
        return bool(self._database.query("SELECT 1 FROM batch WHERE id = ?", batch_id))

    @property
    def settled(self) -> bool:
        """Whether archives that it doesn't know were never sent; in a new ledger they may have been."""
        return bool(self._database.query("SELECT 1 FROM fact WHERE key = 'settled_at'"))

    def settle(self, now: float) -> None:
        with self._database.transaction():
            self._database.execute("INSERT OR REPLACE INTO fact (key, value) VALUES ('settled_at', ?)", now)

    def held_until(self, now: float, url: str) -> float | None:
        """Until when the ingress at `url` asked for peace, None when it didn't or the time is past."""
        sql = "SELECT value FROM fact WHERE key IN ('held_since', 'held_until', 'held_url') ORDER BY key"
        held = self._database.read(float, sql)
        if len(held) == 3 and held[0] <= now < held[1] and held[2] == _number(url):
            return held[1]
        return None

    def hold(self, now: float, until: float, url: str) -> None:
        facts = [("held_since", now), ("held_until", until), ("held_url", _number(url))]
        with self._database.transaction():
            self._database.execute_many("INSERT OR REPLACE INTO fact (key, value) VALUES (?, ?)", facts)

    def _batches(self, state: str) -> list[Batch]:
        sql = "SELECT id, sha256, archive_bytes, members, identities FROM batch WHERE state = ? ORDER BY claimed_at"
        return self._database.read(_batch, sql, state)


def _batch(batch_id: str, sha256: str, archive_bytes: int, members: bytes, identities: bytes) -> Batch:
    names, lines = tuple(unpack(members)), tuple(map(identity, unpack(identities)))
    if len(names) != len(lines):
        raise ValueError(f"{len(names)} members, {len(lines)} identities")
    return Batch(text(batch_id), text(sha256), int(archive_bytes), names, lines)


def _number(url: str) -> float:
    return float(zlib.crc32(url.encode()))


def identity_text(found: Identity) -> str:
    return " ".join(map(str, found))


def identity(text: str) -> Identity:
    """Older texts have the device before it."""
    return Identity(*map(int, text.split()[-3:]))

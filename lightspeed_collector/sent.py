"""Records that were accepted and are still in the spool, remembered so that none of them is sent again.

They are there because `cleanup_after_send` is off, or because deleting them failed; what was not found is remembered
too, its folder may be away. Any number of them: the memory it takes does not grow with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from lightspeed_collector import names
from lightspeed_collector.batch import Identity
from lightspeed_collector.database import Database
from lightspeed_collector.ledger import identity
from lightspeed_collector.retention import Entry
from lightspeed_collector.spool import Spool

CHUNK = 5000


class Sent:
    def __init__(self, database: Database, spool: Spool) -> None:
        self._database = database
        self._spool = spool

    def __len__(self) -> int:
        return int(self._database.query("SELECT count(*) FROM sent")[0][0])

    def unsent(self, members: Iterable[str]) -> Iterator[str]:
        """Those of `members` (in order of their names) that were not sent, or are other files by now."""
        if not self._database.query("SELECT 1 FROM sent LIMIT 1"):
            yield from members
            return
        rest = iter(members)
        while chunk := list(islice(rest, CHUNK)):
            known = self._between(names.split(chunk[0])[1], names.split(chunk[-1])[1])
            yield from (member for member in chunk if member not in known or self._spool.look(member) != known[member])

    def remove(self, delete: Callable[[Iterable[Entry]], Iterable[Entry]]) -> None:
        """Hand all of them to `delete`, which returns those that it did not delete; the others are forgotten."""
        last = ("", "")
        while entries := self._after(*last):
            last = (names.split(entries[-1].member)[1], names.split(entries[-1].member)[0])
            failed = {entry.member for entry in delete(entries)}
            self._forget(entry.member for entry in entries if entry.member not in failed)

    def prune(self, now: float, age: float) -> None:
        """Forget records that are no longer in the spool and were not for `age` seconds; some at a time.

        What is in a folder that is not there can't be told, and is not forgotten.
        """
        rows = self._database.query(
            "SELECT storage, name, identity FROM sent WHERE seen_at < ? LIMIT ?", now - age, CHUNK
        )
        entries = list(map(_entry, rows))
        there = [entry for entry in entries if self._may_be_there(entry)]
        self._forget(entry.member for entry in set(entries) - set(there))
        if there:
            with self._database.transaction():
                self._database.execute_many(
                    "UPDATE sent SET seen_at = ? WHERE storage = ? AND name = ?",
                    ((now, *names.split(entry.member)) for entry in there),
                )

    def _may_be_there(self, entry: Entry) -> bool:
        away = names.split(entry.member)[0] not in self._spool.descriptors
        return away or self._spool.look(entry.member) == entry.identity

    def _between(self, first: str, last: str) -> dict[str, Identity]:
        rows = self._database.query("SELECT storage, name, identity FROM sent WHERE name BETWEEN ? AND ?", first, last)
        return dict(map(_entry, rows))

    def _after(self, name: str, storage: str) -> list[Entry]:
        rows = self._database.query(
            "SELECT storage, name, identity FROM sent WHERE (name, storage) > (?, ?) ORDER BY name, storage LIMIT ?",
            name,
            storage,
            CHUNK,
        )
        return list(map(_entry, rows))

    def _forget(self, members: Iterable[str]) -> None:
        with self._database.transaction():
            self._database.execute_many("DELETE FROM sent WHERE storage = ? AND name = ?", map(names.split, members))


def _entry(row: tuple[str, str, str]) -> Entry:
    storage, name, text = row
    return Entry(f"{storage}/{name}", identity(text))

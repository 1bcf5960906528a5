"""Records that were accepted and are still in the spool, remembered so that none of them is sent again.

They are there because `cleanup_after_send` is off, or because deleting them failed; what was not found is remembered
too, its folder may be away. Any number of them: the memory it takes does not grow with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from lightspeed_collector import names
from lightspeed_collector.batch import Identity
from lightspeed_collector.database import Database, text
from lightspeed_collector.errors import SpoolError
from lightspeed_collector.ledger import identity
from lightspeed_collector.retention import Entry
from lightspeed_collector.spool import Spool

CHUNK = 5000


class Sent:
    def __init__(self, database: Database, spool: Spool) -> None:
        self._database = database
        self._spool = spool

    def any(self) -> bool:
        """Whether there is one."""
        return bool(self._database.query("SELECT 1 FROM sent LIMIT 1"))

    def unsent(self, members: Iterable[str]) -> Iterator[str]:
        """Those of `members` (in order of their names) that were not sent, or are other files by now."""
        if not self.any():
            yield from members
            return
        rest = iter(members)
        while chunk := list(islice(rest, CHUNK)):
            known = self._between(names.split(chunk[0])[1], names.split(chunk[-1])[1])
            yield from (member for member in chunk if member not in known or not self._is_there(member, known[member]))

    def _is_there(self, member: str, known: Identity) -> bool:
        """Whether the record is still what was sent: a copy to another disk is, which keeps size and time. In doubt it is."""
        try:
            found = self._spool.look(member)
        except SpoolError as error:
            self._spool.tell(error)
            return True
        return found is not None and known.is_of_a_copy(found)

    def remove(self, delete: Callable[[Iterable[Entry]], Iterable[Entry]]) -> None:
        """Hand all of them to `delete`, which returns those that it did not delete; the others are forgotten."""
        last = ("", "")
        while entries := self._after(*last):
            last = (names.split(entries[-1].member)[1], names.split(entries[-1].member)[0])
            failed = {entry.member for entry in delete(entries)}
            self._forget([entry.member for entry in entries if entry.member not in failed])

    def prune(self, now: float, age: float) -> None:
        """Forget records that were not in the spool at two looks, `age` seconds from each other; some at a time.

        What is in a folder that is not there can't be told, and is not forgotten.
        """
        sql = "SELECT storage, name, identity, missing FROM sent WHERE looked_at < ? LIMIT ?"
        rows = self._database.read(_looked_for, sql, now - age, CHUNK)
        missing: list[str] = []
        gone: list[str] = []
        there: list[str] = []
        for entry, was_missing in rows:
            if names.split(entry.member)[0] not in self._spool.descriptors or self._is_there(*entry):
                there.append(entry.member)
            else:
                (gone if was_missing else missing).append(entry.member)
        self._forget(gone)
        self._looked(there, now, missing=False)
        self._looked(missing, now, missing=True)

    def _looked(self, members: Collection[str], now: float, *, missing: bool) -> None:
        if members:
            with self._database.transaction():
                self._database.execute_many(
                    "UPDATE sent SET looked_at = ?, missing = ? WHERE storage = ? AND name = ?",
                    ((now, missing, *names.split(member)) for member in members),
                )

    def _between(self, first: str, last: str) -> dict[str, Identity]:
        sql = "SELECT storage, name, identity FROM sent WHERE name BETWEEN ? AND ?"
        return dict(self._database.read(_entry, sql, first, last))

    def _after(self, name: str, storage: str) -> list[Entry]:
        sql = "SELECT storage, name, identity FROM sent WHERE (name, storage) > (?, ?) ORDER BY name, storage LIMIT ?"
        return self._database.read(_entry, sql, name, storage, CHUNK)

    def _forget(self, members: Collection[str]) -> None:
        if not members:
            return
        with self._database.transaction():
            self._database.execute_many("DELETE FROM sent WHERE storage = ? AND name = ?", map(names.split, members))


def _entry(storage: str, name: str, found: str) -> Entry:
    return Entry(f"{text(storage)}/{text(name)}", identity(text(found)))


def _looked_for(storage: str, name: str, found: str, missing: int) -> tuple[Entry, bool]:
    return _entry(storage, name, found), bool(missing)

"""The SQLite file in the state directory: open it, find out whether it is sound, commit durably.

A transaction that returned is on the disk: journal_mode=TRUNCATE with synchronous=FULL syncs the journal's end as well
(sqlite.org/pragma.html). Faults of the file or the disk come out as `LedgerCorrupt` and `StateError`, never as sqlite3's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from lightspeed_collector.errors import LedgerCorrupt, StateError

T = TypeVar("T")
VERSION = 2
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_CORRUPT_TEXTS = ("no such table", "no such column", "Could not decode")
_WAIT_SECONDS = 5
_FROM_VERSION_1 = """
ALTER TABLE sent RENAME COLUMN seen_at TO looked_at;
ALTER TABLE sent ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 2;
"""
# A larger file takes long to read through; what is damaged in it shows when it is used.
_CHECKED_PAGES = 2048


class Database:
    """One connection; `with database.transaction():` around every change."""

    def __init__(self, path: Path) -> None:
        """Opens the file, made if need be; raises `LedgerCorrupt`, `StateError`."""
        self._open(path, "rwc")
        with self._closed_on_error():
            self._prepare()

    @classmethod
    def reader(cls, path: Path) -> Self:
        """For looking only; a file that isn't there yet, or is empty yet, is an empty one.

        SQLite may have to finish what a killed run left (a hot journal), which is why the file is not opened read-only.
        """
        self = cls.__new__(cls)
        there = has_content(path)
        self._open(path if there else Path("nothing"), "rw" if there else "memory")
        with self._closed_on_error():
            try:
                self._check() if there else self._create()
            except LedgerCorrupt as error:
                raise LedgerCorrupt(f"{error}; the next run sets it aside and begins a new one") from error
            self.execute("PRAGMA query_only = ON")
        return self

    def close(self) -> None:
        self._connection.close()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._explained():
            return self._connection.execute(sql, values).fetchall()

    def read(self, make: Callable[..., T], sql: str, *values: Any) -> list[T]:
        """What `make` makes of each row; when it can't (ValueError, TypeError) that is corruption."""
        rows = self.query(sql, *values)
        try:
            return [make(*row) for row in rows]
        except (ValueError, TypeError) as error:
            raise LedgerCorrupt(f"{self._path}: a row can't be read: {error}") from error

    def execute(self, sql: str, *values: Any) -> int:
        """The number of rows changed."""
        with self._explained():
            return self._connection.execute(sql, values).rowcount

    def execute_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._explained():
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and durable when it is left."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def _open(self, path: Path, mode: str) -> None:
        self._path = path
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        with self._explained():
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_WAIT_SECONDS)

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._explained():
            self._connection.execute("PRAGMA journal_mode = TRUNCATE")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA temp_store = MEMORY")
        self._check()
        if self._version() == 1:
            self._change(_FROM_VERSION_1)
        elif not self._version():
            self._create()

    def _create(self) -> None:
        self._change(Path(__file__).with_name("ledger.sql").read_text(encoding="utf-8"))

    def _change(self, schema: str) -> None:
        try:
            with self._explained():
                self._connection.executescript(f"BEGIN IMMEDIATE;\n{schema}\nCOMMIT;")
        except (LedgerCorrupt, StateError):
            if self._connection.in_transaction:
                self._connection.rollback()
            if self._version() != VERSION:  # else another command was faster
                raise

    def _version(self) -> int:
        return int(self.query("PRAGMA user_version")[0][0])

    def _check(self) -> None:
        version = self._version()
        if version > VERSION:
            raise StateError(f"{self._path}: made by a later release (version {version}, this one knows {VERSION})")
        if self.query("PRAGMA page_count")[0][0] <= _CHECKED_PAGES:
            self.check()

    def check(self) -> None:
        """Read all of it; raises `LedgerCorrupt`, `StateError`."""
        result = self.query("PRAGMA quick_check(1)")
        if result != [("ok",)]:
            raise LedgerCorrupt(f"{self._path}: {' '.join(result[0][0].split())}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise LedgerCorrupt(f"{self._path}: {error}") from error
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT or str(error).startswith(_CORRUPT_TEXTS):
                raise LedgerCorrupt(f"{self._path}: {error}") from error
            raise StateError(f"{self._path}: {error}") from error


def text(value: object) -> str:
    """A text that was written as one; raises ValueError for another type."""
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} in place of a text")
    return value


def has_content(path: Path) -> bool:
    """Whether a run has made the file; raises `StateError`."""
    try:
        return path.exists() and path.stat().st_size > 0
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}: ask as root or as the collector's user") from error

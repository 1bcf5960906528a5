"""The database that the configuration names, SQLite or PostgreSQL, and the errors that it meets.

A connection is made when it is first needed and never crosses a fork. Statements are text that both understand, values
in them `:named`. Errors are told with the database's name and its own words, without password, statement or values.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lightspeed_stack import sqlite

if TYPE_CHECKING:
    from sqlalchemy import URL

    from lightspeed_stack import config

WAIT_SECONDS = 10
PAUSE_SECONDS = 5  # before a database is asked again that did not answer
AT_ONCE_SECONDS = 1.0
NO_VALUES: Mapping[str, object] = {}
Step = tuple[str, Mapping[str, object]]


class DatabaseError(Exception):
    """The database can't be used, now or at all; the message says which and why."""


class Connection(Protocol):
    """A transaction in which tables are made."""

    def rows(self, statement: str, values: Mapping[str, object], /) -> Sequence[Sequence[Any]]:
        """What a statement finds; nothing for one that changes something."""

    def has_table(self, name: str) -> bool: ...


class Store(Protocol):
    """An open database, shared by all threads of one process; raises what its kind of database names as `reasons`."""

    def prepare(self, make: Callable[[Connection], str | None]) -> str | None: ...

    def rows(self, statement: str, values: Mapping[str, object]) -> Sequence[Sequence[Any]]: ...

    def change(self, steps: Sequence[Step], before_commit: Callable[[], None]) -> int: ...

    def erase(self, steps: Sequence[Step], before_commit: Callable[[], None]) -> int: ...

    def close(self) -> None: ...


class Kind(Protocol):
    """`name` is how people know it: the path of the file, or the URL without its password."""

    @property
    def name(self) -> str: ...

    @property
    def reasons(self) -> tuple[type[Exception], ...]: ...

    def open(self) -> Store: ...

    def reason(self, error: Exception) -> str: ...


class Database:
    """Shared by all threads. `prepare` gets the first connection of each process and says what is wrong, if anything."""

    def __init__(
        self,
        url: str | URL,
        prepare: Callable[[Connection], str | None],
        wait_seconds: int = WAIT_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._store: Store | None = None
        self._kind = _kind(url, wait_seconds)
        self._wait_seconds = wait_seconds
        self._pause_seconds = pause_seconds
        self._reasons: tuple[type[Exception], ...] = (*self._kind.reasons, OSError, ImportError, UnicodeError)
        self._prepare = prepare
        self._lock = threading.Lock()
        self._silence: tuple[float, str] | None = None
        self._owner = 0
        self._of_parents: list[Store] = []

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; they are made anew when they are needed."""
        if self._store is not None and self._owner == os.getpid():
            self._store.close()

    def change(self, *steps: Step) -> int:
        """All of it or nothing; how many rows the last statement changed. Raises DatabaseError."""
        try:
            return self._ready().change(steps, lambda: None)
        except self._reasons as error:
            raise self._told(error) from error

    def erase(self, *steps: Step, before_commit: Callable[[], None]) -> int:
        """As `change`, for a deletion: durable on return, and as little as possible of it is left in the files.

        `before_commit` is called when all is changed and nobody else sees it yet; what it raises undoes it.
        """
        try:
            return self._ready().erase(steps, before_commit)
        except self._reasons as error:
            raise self._told(error) from error

    def rows(self, statement: str, values: Mapping[str, object] = NO_VALUES) -> Sequence[Sequence[Any]]:
        """What a single statement finds that changes nothing; raises DatabaseError."""
        try:
            return self._ready().rows(statement, values)
        except self._reasons as error:
            raise self._told(error) from error

    def _ready(self) -> Store:
        if self._store is not None and self._owner == os.getpid():
            return self._store
        if not self._lock.acquire(timeout=self._wait_seconds):
            raise TimeoutError(errno.ETIMEDOUT, "it does not answer")
        try:
            if self._store is None or self._owner != os.getpid():
                if self._store is not None:
                    self._of_parents.append(self._store)  # dropping it would close the parent's connections
                self._store = None
                self._store = self._reached()
                self._owner = os.getpid()
            return self._store
        finally:
            self._lock.release()

    def _reached(self) -> Store:
        """Raises at once what was raised a moment ago, if that took long: those who come after do not wait as well."""
        if self._silence and time.monotonic() < self._silence[0]:
            raise DatabaseError(self._silence[1])
        began = time.monotonic()
        try:
            return self._prepared(self._kind.open())
        except self._reasons as error:
            if time.monotonic() - began > AT_ONCE_SECONDS:
                self._silence = time.monotonic() + self._pause_seconds, str(self._told(error))
            raise

    def _prepared(self, store: Store) -> Store:
        try:
            fault = store.prepare(self._prepare)
        except BaseException:
            store.close()
            raise
        if fault:
            store.close()
            raise DatabaseError(f"{self._kind.name}: {fault}")
        return store

    def _told(self, error: Exception) -> DatabaseError:
        """The lines behind the first may quote values."""
        if isinstance(error, ImportError):
            reason = f"needs {error.name}: pip install 'lightspeed-stack[postgres]'"
        elif isinstance(error, OSError):
            reason = str(error.strerror or error)
        else:
            reason = self._kind.reason(error).partition("\n")[0]
        return DatabaseError(f"{self._kind.name}: {reason}")


def address(database: config.Database, state_dir: Path) -> str | URL:
    """Where the configuration says that the database is."""
    if database.postgres is not None:
        from lightspeed_stack import postgres

        return postgres.address(database.postgres)
    return f"{sqlite.SCHEME}{database.sqlite.db_path if database.sqlite else state_dir / 'conversations.db'}"


def _kind(url: str | URL, wait_seconds: int) -> Kind:
    """SQLAlchemy takes a third of the memory and half of the time of a start; SQLite does without."""
    if isinstance(url, str) and url.startswith("sqlite:"):
        return sqlite.Sqlite(url.removeprefix(sqlite.SCHEME), wait_seconds)
    from lightspeed_stack import postgres

    return postgres.Postgres(url, wait_seconds)

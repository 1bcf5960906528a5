"""SQLite: one writer at a time, a private file, and connections without ceremony. Errors are sqlite3's.

What is deleted is overwritten with zeros (secure_delete). An erasure is durable, and empties the write-ahead log besides.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightspeed_stack import database

SCHEME = "sqlite:///"
IDLE_CONNECTIONS = 4
ERASE_WAIT_SECONDS = 0.5  # for others to stop reading what is to vanish from the log: all who write wait meanwhile
_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "secure_delete = ON")

log = logging.getLogger(__name__)


class Sqlite:
    """The database in the file at `path`."""

    reasons: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: str, wait_seconds: float) -> None:
        self.name = path
        self._wait_seconds = wait_seconds

    def open(self) -> Store:
        if not self.name or self.name in ("sqlite://", ":memory:"):
            raise sqlite3.NotSupportedError("workers can't share it, a file is needed")
        create_private(self.name)
        writing = OneWriter(f"{self.name}-lock", self._wait_seconds)
        return Store(Connections(lambda: connect(self.name, self._wait_seconds)), writing)

    def reason(self, error: Exception) -> str:
        return str(error)


class OneWriter:
    """Lets one thread of all processes write at a time.

    SQLite does that too, but those who wait for it sleep and try again: under load some wait for seconds.
    """

    def __init__(self, path: str, wait_seconds: float) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._wait_seconds):
            raise TimeoutError(errno.ETIMEDOUT, "others have been writing for too long")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)  # to try again and again instead would never be its turn
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *exception: object) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def __del__(self) -> None:
        os.close(self._fd)


class Connections:
    """Shared by all threads of one process."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._idle: deque[sqlite3.Connection] = deque()

    def rows(self, statement: str, values: Mapping[str, object]) -> list[Any]:
        with self._one() as connection:
            return connection.execute(statement, values).fetchall()

    def change(self, steps: Iterable[database.Step], before_commit: Callable[[], None] = lambda: None) -> int:
        """All of them or none; how many rows the last one changed."""
        with self._one() as connection:
            return _change(connection, steps, before_commit)

    def erase(self, steps: Iterable[database.Step], before_commit: Callable[[], None]) -> int:
        """As `change`, and durable on return. That the write-ahead log could not be emptied is only logged."""
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            count = _change(connection, steps, before_commit)
            _empty_log(connection)
        return count

    def close(self) -> None:
        while self._idle:
            self._take().close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._one() as connection, _transaction(connection):
            yield connection

    @contextmanager
    def _one(self) -> Iterator[sqlite3.Connection]:
        """One for this thread alone; closed if it meets an error, which ends its transaction."""
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._put_back(connection)

    def _take(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._idle.pop()
        return self._connect()

    def _put_back(self, connection: sqlite3.Connection) -> None:
        if len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()


class Store:
    """Shared by all threads of one process."""

    def __init__(self, connections: Connections, writing: OneWriter) -> None:
        self._connections = connections
        self._writing = writing
        self.rows = connections.rows
        self.close = connections.close

    def prepare(self, make: Callable[[database.Connection], str | None]) -> str | None:
        with self._writing, self._connections.transaction() as connection:
            return make(_Connection(connection))

    def change(self, steps: Sequence[database.Step], before_commit: Callable[[], None]) -> int:
        with self._writing:
            return self._connections.change(steps, before_commit)

    def erase(self, steps: Sequence[database.Step], before_commit: Callable[[], None]) -> int:
        with self._writing:
            return self._connections.erase(steps, before_commit)


class _Connection:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Mapping[str, object], /) -> Sequence[Sequence[Any]]:
        return self._connection.execute(statement, values).fetchall()

    def has_table(self, name: str) -> bool:
        found = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name"
        return bool(self.rows(found, {"name": name})[0][0])


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Who meets an error has to close the connection, which ends it."""
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


def _change(connection: sqlite3.Connection, steps: Iterable[database.Step], before_commit: Callable[[], None]) -> int:
    count = 0
    with _transaction(connection):
        for statement, values in steps:
            count = connection.execute(statement, values).rowcount
        before_commit()
    return count


def _empty_log(connection: sqlite3.Connection) -> None:
    try:
        connection.execute(f"PRAGMA busy_timeout = {ERASE_WAIT_SECONDS * 1000:.0f}")
        [(busy, *_)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        log.warning("what was deleted stays in the database's log for now: %s", error)
    else:
        if busy:
            log.info("what was deleted stays in the database's log for now: somebody is reading")


def create_private(path: str) -> None:
    """SQLite would let the umask decide who may read the conversations.

    A file that is there already must not even be opened: closing it would end the locks that SQLite has on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def connect(path: str, wait_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection

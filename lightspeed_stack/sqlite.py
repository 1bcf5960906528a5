"""What SQLite needs beside SQLAlchemy: one writer at a time, a private file, and connections without ceremony."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

IDLE_CONNECTIONS = 4
_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")


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
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *exception: object) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._lock.release()

    def __del__(self) -> None:
        os.close(self._fd)


class Connections:
    """Statements for a tenth of what they cost through SQLAlchemy. Shared by all threads of one process.

    Errors are sqlite3's.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._idle: deque[sqlite3.Connection] = deque()

    def rows(self, statement: str, values: Mapping[str, object]) -> list[Any]:
        with self._one() as connection:
            return connection.execute(statement, values).fetchall()

    def change(self, steps: Iterable[tuple[str, Mapping[str, object]]]) -> int:
        """All of them or none; how many rows the last one changed."""
        count = 0
        with self._one() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement, values in steps:
                count = connection.execute(statement, values).rowcount
            connection.execute("COMMIT")
        return count

    def close(self) -> None:
        while self._idle:
            self._take().close()

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


def create_private(path: str) -> None:
    """SQLite would let the umask decide who may read the conversations.

    A file that is there already must not even be opened: closing it would end the locks that SQLite has on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def connect(path: str, wait_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None, check_same_thread=False)
    set_up(connection, None)
    return connection


def set_up(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

"""Connections to the database that the configuration names, SQLite or PostgreSQL, and the errors that they meet.

A connection is made when it is first needed and never crosses a fork. Errors are told with the database's name and
its own words, without password, statement or values.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

if TYPE_CHECKING:
    from lightspeed_stack import config

WAIT_SECONDS = 10
_REASONS = (SQLAlchemyError, OSError, ImportError, UnicodeError)
_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")


class DatabaseError(Exception):
    """The database can't be used, now or at all; the message says which and why."""


class Database:
    """Shared by all threads. `prepare` gets the first connection of each process and says what is wrong, if anything."""

    def __init__(self, url: str | URL, prepare: Callable[[Connection], str | None]) -> None:
        self._engine: Engine | None = None
        self._url = make_url(url)
        self._prepare = prepare
        self._lock = threading.Lock()
        self._writing: AbstractContextManager[object] = nullcontext()
        self._owner = 0
        self._of_parents: list[Engine] = []

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; they are made anew when they are needed."""
        if self._engine is not None and self._owner == os.getpid():
            self._engine.dispose()

    @property
    def name(self) -> str:
        """How people know it: the path of the file, or the URL without its password."""
        if self._url.get_backend_name() == "sqlite":
            return self._url.database or "SQLite in memory"
        return self._url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All of it or nothing; raises DatabaseError."""
        try:
            engine = self._ready()
            with self._writing, engine.begin() as connection:
                yield connection
        except _REASONS as error:
            raise self._told(error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For a single statement that changes nothing; raises DatabaseError."""
        try:
            with self._ready().connect() as connection:
                yield connection
        except _REASONS as error:
            raise self._told(error) from error

    def _ready(self) -> Engine:
        if self._engine is not None and self._owner == os.getpid():
            return self._engine
        with self._lock:
            if self._engine is None or self._owner != os.getpid():
                if self._engine is not None:
                    self._of_parents.append(self._engine)  # kept: dropping it would close the parent's connections
                self._engine = None
                self._engine = self._prepared(self._create())
                self._owner = os.getpid()
        return self._engine

    def _prepared(self, engine: Engine) -> Engine:
        try:
            try:
                self._prepare_with(engine)
            except (IntegrityError, ProgrammingError):
                self._prepare_with(engine)  # another process was making the same tables
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _prepare_with(self, engine: Engine) -> None:
        with self._writing, engine.begin() as connection:
            fault = self._prepare(connection)
        if fault:
            raise DatabaseError(f"{self.name}: {fault}")

    def _create(self) -> Engine:
        if self._url.get_backend_name() != "sqlite":
            arguments = {"connect_timeout": WAIT_SECONDS, "tcp_user_timeout": 1000 * WAIT_SECONDS}
            return create_engine(
                self._url, hide_parameters=True, pool_pre_ping=True, pool_timeout=WAIT_SECONDS, connect_args=arguments
            )
        return self._create_sqlite(self._url.database)

    def _create_sqlite(self, path: str | None) -> Engine:
        if not path or path == ":memory:":
            raise DatabaseError(f"{self.name}: workers can't share it, a file is needed")
        _create_private(path)
        self._writing = _OneWriter(f"{path}-lock")
        engine = create_engine(
            self._url,
            hide_parameters=True,
            pool_size=16,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            connect_args={"timeout": WAIT_SECONDS},
        )
        event.listen(engine, "connect", _set_up_sqlite)
        return engine

    def _told(self, error: Exception) -> DatabaseError:
        """The lines behind the first may quote values."""
        if isinstance(error, ImportError):
            return DatabaseError(f"{self.name}: needs {error.name}: pip install 'lightspeed-stack[postgres]'")
        if isinstance(error, OSError):
            return DatabaseError(f"{self.name}: {error.strerror or error}")
        reason = error.orig if isinstance(error, DBAPIError) else error
        return DatabaseError(f"{self.name}: {str(reason).partition(chr(10))[0]}")


class _OneWriter:
    """Lets one thread of all processes write at a time.

    SQLite does that too, but those who wait for it sleep and try again: under load some wait for seconds.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise TimeoutError(errno.ETIMEDOUT, "others have been writing for too long")
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *exception: object) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._lock.release()

    def __del__(self) -> None:
        os.close(self._fd)


def address(database: config.Database, state_dir: Path) -> URL:
    """Where the configuration says that the database is."""
    postgres = database.postgres
    if postgres is None:
        path = database.sqlite.db_path if database.sqlite else state_dir / "conversations.db"
        return URL.create("sqlite", database=str(path))
    query = {"sslmode": postgres.ssl_mode, "gssencmode": postgres.gss_encmode}
    if postgres.ca_cert_path:
        query["sslrootcert"] = str(postgres.ca_cert_path)
    if postgres.namespace != "public":
        query["options"] = f"-csearch_path={postgres.namespace}"
    return URL.create(
        "postgresql+psycopg",
        username=postgres.user,
        password=postgres.password.reveal() if postgres.password else None,
        host=postgres.host,
        port=postgres.port,
        database=postgres.db,
        query=query,
    )


def _create_private(path: str) -> None:
    """SQLite would let the umask decide who may read the conversations.

    A file that is there already must not even be opened: closing it would end the locks that SQLite has on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _set_up_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

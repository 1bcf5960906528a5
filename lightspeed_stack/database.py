"""Connections to the database that the configuration names, SQLite or PostgreSQL, and the errors that they meet.

A connection is made when it is first needed and never crosses a fork. Errors are told with the database's name and
its own words, without password, statement or values.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, Select, TextClause, create_engine, event, make_url
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

from lightspeed_stack import sqlite

if TYPE_CHECKING:
    from lightspeed_stack import config

WAIT_SECONDS = 10
NO_VALUES: Mapping[str, object] = MappingProxyType({})
Statement = Select[Any] | TextClause
_SQLITE = SQLiteDialect_pysqlite(paramstyle="named")
_REASONS = (SQLAlchemyError, sqlite3.Error, OSError, ImportError, UnicodeError)


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
        self._direct: sqlite.Connections | None = None
        self._statements: dict[Statement, tuple[str, dict[str, object]]] = {}
        self._of_parents: list[tuple[Engine, sqlite.Connections | None]] = []

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; they are made anew when they are needed."""
        if self._engine is not None and self._owner == os.getpid():
            self._engine.dispose()
            if self._direct is not None:
                self._direct.close()

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

    def change(self, *steps: tuple[Statement, Mapping[str, object]]) -> int:
        """All of it or nothing; how many rows the last statement changed. Raises DatabaseError."""
        try:
            engine = self._ready()
            if self._direct is not None:
                with self._writing:
                    return self._direct.change([self._bound(*step) for step in steps])
            with engine.begin() as connection:
                options = {"preserve_rowcount": True}
                counts = [connection.execute(*step, execution_options=options).rowcount for step in steps]
                return counts[-1]
        except _REASONS as error:
            raise self._told(error) from error

    def rows(self, statement: Select[Any], values: Mapping[str, object] = NO_VALUES) -> Sequence[Sequence[Any]]:
        """What a single statement finds that changes nothing; raises DatabaseError."""
        try:
            engine = self._ready()
            if self._direct is not None:
                return self._direct.rows(*self._bound(statement, values))
            with engine.connect() as connection:
                return connection.execute(statement, values).all()
        except _REASONS as error:
            raise self._told(error) from error

    def _bound(self, statement: Statement, values: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
        """The statement as sqlite3 takes it, and the values with those that are the statement's own."""
        known = self._statements.get(statement)
        if known is None:
            compiled = statement.compile(dialect=_SQLITE)
            constants = {name: value for name, value in compiled.params.items() if value is not None}
            known = self._statements[statement] = str(compiled), constants
        text, constants = known
        return text, {**constants, **values}

    def _ready(self) -> Engine:
        if self._engine is not None and self._owner == os.getpid():
            return self._engine
        with self._lock:
            if self._engine is None or self._owner != os.getpid():
                if self._engine is not None:
                    # kept: dropping them would close the parent's connections
                    self._of_parents.append((self._engine, self._direct))
                self._engine = self._direct = None
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
        sqlite.create_private(path)
        self._writing = sqlite.OneWriter(f"{path}-lock", WAIT_SECONDS)
        engine = create_engine(
            self._url,
            hide_parameters=True,
            pool_size=16,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            connect_args={"timeout": WAIT_SECONDS},
        )
        event.listen(engine, "connect", sqlite.set_up)
        self._direct = sqlite.Connections(lambda: sqlite.connect(path, WAIT_SECONDS))
        return engine

    def _told(self, error: Exception) -> DatabaseError:
        """The lines behind the first may quote values."""
        if isinstance(error, ImportError):
            return DatabaseError(f"{self.name}: needs {error.name}: pip install 'lightspeed-stack[postgres]'")
        if isinstance(error, OSError):
            return DatabaseError(f"{self.name}: {error.strerror or error}")
        reason = error.orig if isinstance(error, DBAPIError) else error
        return DatabaseError(f"{self.name}: {str(reason).partition(chr(10))[0]}")


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

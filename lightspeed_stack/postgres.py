"""PostgreSQL through SQLAlchemy, imported only where it is configured. Errors are SQLAlchemy's, psycopg's beneath.

Nobody waits for ever: neither for a lock, nor for a statement, nor for a server that says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

if TYPE_CHECKING:
    from lightspeed_stack import config, database

SILENCE = 1.5  # times what the server has for a statement or a lock: it is to speak first

_Steps = Generator[Any, Any, Any]

# What the URL, the role or the server say of it stands. Poolers such as PgBouncer refuse such a thing at the connect.
_LIMIT = """SELECT set_config(name, '{milliseconds}', false) FROM pg_settings
    WHERE name IN ('statement_timeout', 'lock_timeout') AND source = 'default'"""


class Postgres:
    """Where it is; `open` connects no sooner than something is asked."""

    reasons: tuple[type[Exception], ...] = (SQLAlchemyError,)

    def __init__(self, url: str | URL, wait_seconds: int) -> None:
        self._url = make_url(url)
        self._wait_seconds = wait_seconds

    @property
    def name(self) -> str:
        return self._url.set(query={}).render_as_string(hide_password=True)

    def open(self) -> Pool:
        arguments = {"connect_timeout": self._wait_seconds, "tcp_user_timeout": 1000 * self._wait_seconds}
        engine = create_engine(
            self._url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_timeout=self._wait_seconds,
            connect_args=arguments,
        )
        if engine.driver == "psycopg":
            event.listen(engine, "do_connect", _impatient(SILENCE * self._wait_seconds))
        event.listen(engine, "connect", _Limit(self._wait_seconds))
        return Pool(engine)

    def reason(self, error: Exception) -> str:
        return str(error.orig if isinstance(error, DBAPIError) else error)


class Pool:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._texts: dict[str, sqlalchemy.TextClause] = {}

    def prepare(self, make: Callable[[database.Connection], str | None]) -> str | None:
        try:
            return self._prepare(make)
        except (IntegrityError, ProgrammingError):
            return self._prepare(make)  # another process was making the same tables

    def rows(self, statement: str, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(self._text(statement), values).all()

    def change(self, steps: Sequence[database.Step], before_commit: Callable[[], None]) -> int:
        options = {"preserve_rowcount": True}
        with self._engine.begin() as connection:
            counts = [
                connection.execute(self._text(statement), values, execution_options=options).rowcount
                for statement, values in steps
            ]
            before_commit()
        return counts[-1]

    def erase(self, steps: Sequence[database.Step], before_commit: Callable[[], None]) -> int:
        """Durable as every change is; its old pages are the server's to clean (VACUUM)."""
        return self.change(steps, before_commit)

    def close(self) -> None:
        self._engine.dispose()

    def _prepare(self, make: Callable[[database.Connection], str | None]) -> str | None:
        with self._engine.begin() as connection:
            return make(_Connection(connection))

    def _text(self, statement: str) -> sqlalchemy.TextClause:
        return self._texts.setdefault(statement, text(statement))


class _Limit:
    """Called with each new connection."""

    def __init__(self, seconds: float) -> None:
        self._statement = _LIMIT.format(milliseconds=int(1000 * seconds))

    def __call__(self, connection: Any, record: object) -> None:
        before, connection.autocommit = connection.autocommit, True
        with connection.cursor() as cursor:
            cursor.execute(self._statement)
        connection.autocommit = before


def _impatient(seconds: float) -> Callable[..., object]:
    """Connects with psycopg; a connection is closed when the server has said nothing for so long."""
    import psycopg

    class Connection(psycopg.Connection[Any]):
        def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
            return super().wait(self._limited(gen), *args, **options)

        def _limited(self, steps: _Steps) -> _Steps:
            """psycopg goes on with it several times a second, be there something to read or not."""
            heard = time.monotonic()
            try:
                wanted = next(steps)
                while True:
                    ready = yield wanted
                    if ready:
                        heard = time.monotonic()
                    elif time.monotonic() - heard > seconds:
                        self.close()
                        raise psycopg.OperationalError("the server does not answer")
                    wanted = steps.send(ready)
            except StopIteration as end:
                return end.value

    def connect(dialect: object, record: object, arguments: Sequence[Any], options: Mapping[str, Any]) -> object:
        return Connection.connect(*arguments, **options)

    return connect


class _Connection:
    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Mapping[str, object], /) -> Sequence[Sequence[Any]]:
        result = self._connection.execute(text(statement), values)
        return result.all() if result.returns_rows else ()

    def has_table(self, name: str) -> bool:
        return sqlalchemy.inspect(self._connection).has_table(name)


def address(settings: config.Postgres) -> URL:
    query = {"sslmode": settings.ssl_mode, "gssencmode": settings.gss_encmode}
    if settings.ca_cert_path:
        query["sslrootcert"] = str(settings.ca_cert_path)
    if settings.namespace != "public":
        query["options"] = f"-csearch_path={settings.namespace}"
    return URL.create(
        "postgresql+psycopg",
        username=settings.user,
        password=settings.password.reveal() if settings.password else None,
        host=settings.host,
        port=settings.port,
        database=settings.db,
        query=query,
    )

"""Where the configuration says that a PostgreSQL is, and how long one is waited for.

What is done with one is tested with the conversations.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from lightspeed_stack import postgres
from lightspeed_stack.config import Postgres
from lightspeed_stack.daemon.schema import Secret
from lightspeed_stack.database import Database, DatabaseError
from tests.fakes import postgres as fake

POSTGRES = Postgres(
    host="db.example.com",
    port=5433,
    db="lightspeed",
    user="stack",
    password=Secret("p@ss/word"),
    namespace="public",
    ssl_mode="verify-full",
    gss_encmode="disable",
    ca_cert_path=Path("/etc/ca.pem"),
)


def test_postgres_is_reached_as_configured() -> None:
    url = postgres.address(POSTGRES)
    assert (url.drivername, url.host, url.port, url.database) == (
        "postgresql+psycopg",
        "db.example.com",
        5433,
        "lightspeed",
    )
    assert (url.username, url.password) == ("stack", "p@ss/word")
    assert url.query == {"sslmode": "verify-full", "gssencmode": "disable", "sslrootcert": "/etc/ca.pem"}
    assert "p@ss" not in repr(url)


def test_namespace_is_the_search_path() -> None:
    settings = dataclasses.replace(POSTGRES, namespace="assistant", password=None, ca_cert_path=None)
    url = postgres.address(settings)
    assert url.query == {"sslmode": "verify-full", "gssencmode": "disable", "options": "-csearch_path=assistant"}
    assert url.password is None


def test_driver_that_is_not_there_is_named() -> None:
    with pytest.raises(DatabaseError, match=r"needs psycopg2: pip install 'lightspeed-stack\[postgres\]'"):
        Database("postgresql+psycopg2://alice@127.0.0.1:1/db", lambda connection: None).rows("SELECT 1")


# how long it is waited for


@pytest.fixture(scope="module")
def server() -> Iterator[fake.Postgres]:
    why = fake.missing()
    if why:
        pytest.skip(f"no PostgreSQL: {why}")
    started = fake.Postgres()
    try:
        started.start()
        yield started
    finally:
        started.remove()


@pytest.fixture
def pool(server: fake.Postgres) -> Iterator[postgres.Pool]:
    """Of who waits for a second."""
    opened = postgres.Postgres(server.url, 1).open()
    yield opened
    opened.close()


def limits(pool: postgres.Pool) -> list[str]:
    return [pool.rows(f"SHOW {name}_timeout", {})[0][0] for name in ("statement", "lock")]


def test_server_ends_what_takes_too_long(pool: postgres.Pool) -> None:
    with pytest.raises(SQLAlchemyError, match="statement timeout"):
        pool.rows("SELECT pg_sleep(20)", {})
    assert limits(pool) == ["1s", "1s"]


def test_limits_of_the_url_and_of_the_role_stand(server: fake.Postgres) -> None:
    server.execute(f"ALTER ROLE {fake.USER} SET lock_timeout = '5s'")
    try:
        opened = postgres.Postgres(f"{server.url}&options=-cstatement_timeout%3D0", 1).open()
        assert limits(opened) == ["0", "5s"]
        opened.close()
    finally:
        server.execute(f"ALTER ROLE {fake.USER} RESET lock_timeout")


def test_server_that_says_nothing_is_left(pool: postgres.Pool) -> None:
    stopped = backend(pool)
    wake = threading.Timer(20, os.kill, (stopped, signal.SIGCONT))  # for a wait without an end
    os.kill(stopped, signal.SIGSTOP)
    wake.start()
    try:
        assert backend(pool) != stopped
    finally:
        wake.cancel()
        os.kill(stopped, signal.SIGCONT)


def backend(pool: postgres.Pool) -> int:
    return int(pool.rows("SELECT pg_backend_pid()", {})[0][0])

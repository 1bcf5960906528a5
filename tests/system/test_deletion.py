"""A conversation is deleted while an answer in it ends: it stays deleted, and so do its records."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes import postgres
from tests.fakes.application import provider
from tests.fakes.daemon import Stack, merged
from tests.fakes.provider import FakeProvider

DEADLINE = 20
DELETE = "DELETE FROM conversation"

Deleting = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[dict[str, Any], Deleting]]:
    """Its configuration, and a deletion that another worker has begun and commits at the end of the block."""
    if request.param == "sqlite":
        path = tmp_path / "conversations.db"
        yield {"sqlite": {"db_path": str(path)}}, lambda: deleting_in_sqlite(path)
        return
    why = postgres.missing()
    if why:
        pytest.skip(f"no PostgreSQL: {why}")
    server = postgres.Postgres()
    try:
        server.start()
        settings = {"host": str(server.directory), "db": "postgres", "user": postgres.USER, "ssl_mode": "disable"}
        yield {"postgres": settings}, lambda: deleting_in_postgres(server)
    finally:
        server.remove()


@contextmanager
def deleting_in_sqlite(path: Path) -> Iterator[None]:
    with open(f"{path}-lock") as lock, closing(sqlite3.connect(path, isolation_level=None)) as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(DELETE)
        yield
        connection.execute("COMMIT")


@contextmanager
def deleting_in_postgres(server: postgres.Postgres) -> Iterator[None]:
    import psycopg

    with psycopg.connect(host=str(server.directory), dbname="postgres", user=postgres.USER) as connection:
        connection.execute(DELETE)
        yield


def test_the_answer_brings_nothing_back(tmp_path: Path, database: tuple[dict[str, Any], Deleting]) -> None:
    settings, deleting = database
    with FakeProvider() as fake, Stack(tmp_path, merged(provider(fake.url), {"database": settings})) as stack:
        first = ask(stack, {"query": "one"})
        conversation = {"conversation_id": first["conversation_id"]}
        with ThreadPoolExecutor() as pool:
            with deleting():
                second = pool.submit(ask, stack, {"query": "two", **conversation})
                wait_for_transcripts(stack, 2)
            assert second.result()["conversation_id"] == first["conversation_id"]
        one = f"{stack.url}/v1/conversations/{first['conversation_id']}"
        assert requests.get(one, timeout=DEADLINE).status_code == 404
        assert requests.get(f"{stack.url}/v1/conversations", timeout=DEADLINE).json() == {"conversations": []}
        assert len(list(stack.transcripts.glob(f".forget_{first['conversation_id']}_*"))) == 1
        assert ask(stack, {"query": "three", **conversation}, 404)


def wait_for_transcripts(stack: Stack, count: int) -> None:
    end = time.monotonic() + DEADLINE
    while len(list(stack.transcripts.glob("[!.]*.json"))) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(stack: Stack, body: dict[str, str], status: int = 200) -> Any:
    answer = requests.post(f"{stack.url}/v1/query", json=body, timeout=DEADLINE)
    assert answer.status_code == status
    return answer.json()

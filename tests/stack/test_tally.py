from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests

from lightspeed_stack.database import DatabaseError
from lightspeed_stack.tally import KEEP_DAYS, Tally
from tests.fakes import postgres
from tests.fakes.daemon import Stack
from tests.fakes.threads import exhausted

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
NEVER = 3600.0
MakeTally = Callable[[], Tally]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    if why := postgres.missing():
        pytest.skip(why)
    running = postgres.Postgres()
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeTally]:
    """Makes another process's tally of the same, empty database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/conversations.db"
    else:
        running: postgres.Postgres = request.getfixturevalue("server")
        running.execute("DROP TABLE IF EXISTS record_tally")
        url = running.url
    made: list[Tally] = []

    def one() -> Tally:
        made.append(Tally(url, NEVER))
        return made[-1]

    yield one
    for tally in made:
        tally.close()


def test_what_was_counted_is_there_after_the_end(make: MakeTally) -> None:
    tally = make()
    tally.count(HOUR, "transcripts")
    tally.count(HOUR + timedelta(minutes=59), "feedback", "positive")
    tally.count(HOUR - timedelta(hours=1), "transcripts")
    tally.close()
    assert make().since(HOUR - timedelta(hours=1)) == {
        (HOUR, "transcripts"): 1,
        (HOUR, "feedback"): 1,
        (HOUR, "positive"): 1,
        (HOUR - timedelta(hours=1), "transcripts"): 1,
    }


def test_processes_add_up(make: MakeTally) -> None:
    tallies = [make(), make()]
    for tally in tallies:
        for _ in range(500):
            tally.count(HOUR, "transcripts")
    for tally in tallies:
        tally.close()
    assert make().since(HOUR) == {(HOUR, "transcripts"): 1000}


def test_threads_add_up(make: MakeTally) -> None:
    tally = make()
    threads = [threading.Thread(target=lambda: [tally.count(HOUR, "feedback") for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.close()
    assert make().since(HOUR) == {(HOUR, "feedback"): 1600}


def test_hours_are_those_of_utc_whatever_the_clock(make: MakeTally) -> None:
    tally = make()
    tally.count(HOUR.astimezone(timezone(timedelta(hours=5, minutes=30))), "transcripts")
    tally.close()
    assert make().since(HOUR) == {(HOUR, "transcripts"): 1}


def test_what_is_older_is_left_out_and_in_the_end_forgotten(make: MakeTally) -> None:
    tally = make()
    old = HOUR - timedelta(days=KEEP_DAYS + 1)
    tally.count(old, "transcripts")
    tally.count(HOUR - timedelta(days=1), "transcripts")
    tally.close()
    assert make().since(HOUR) == {}
    assert make().since(old) == {(HOUR - timedelta(days=1), "transcripts"): 1}


def test_it_is_written_while_counting_goes_on(tmp_path: Path) -> None:
    tally = Tally(f"sqlite:///{tmp_path}/c.db", 0.001)
    try:
        while not tally.since(HOUR):
            tally.count(HOUR, "transcripts")
    finally:
        tally.close()


def test_nothing_counted_writes_nothing(tmp_path: Path) -> None:
    Tally(f"sqlite:///{tmp_path}/c.db").close()
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_fails_costs_nobody_anything_and_gets_it_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "later"
    tally = Tally(f"sqlite:///{folder}/c.db", 0.001)
    with caplog.at_level(logging.WARNING):
        tally.count(HOUR, "transcripts")
        with pytest.raises(DatabaseError):
            tally.since(HOUR)
        tally.count(HOUR, "transcripts")
        while not caplog.records:
            tally.count(HOUR, "other")
        folder.mkdir()
        tally.close()
    assert Tally(f"sqlite:///{folder}/c.db").since(HOUR)[HOUR, "transcripts"] == 2
    assert [record.message for record in caplog.records] == [
        f"records are not tallied for now: {folder}/c.db: No such file or directory"
    ]


def test_where_no_thread_can_start_it_is_written_by_a_later_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tally = Tally(f"sqlite:///{tmp_path}/c.db", NEVER)
    with exhausted():
        tally.count(HOUR, "transcripts")
        tally.count(HOUR, "transcripts")
    tally.count(HOUR, "transcripts")
    tally.close()
    assert Tally(f"sqlite:///{tmp_path}/c.db").since(HOUR) == {(HOUR, "transcripts"): 3}
    assert caplog.messages == ["records are not tallied for now: can't start new thread"]


def test_the_table_is_beside_the_conversations(tmp_path: Path) -> None:
    tally = Tally(f"sqlite:///{tmp_path}/c.db", NEVER)
    tally.count(HOUR, "transcripts")
    tally.close()
    with sqlite3.connect(tmp_path / "c.db") as database:
        rows = database.execute("SELECT * FROM record_tally").fetchall()
    database.close()
    assert rows == [(HOUR.strftime("%Y-%m-%dT%H"), "transcripts", 1)]


def test_a_daemon_that_is_told_to_stop_writes_its_last_count(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        requests.post(f"{stack.url}/v1/query", json={"query": "How do I restart nginx?"}, timeout=10)
    counts = Tally(f"sqlite:///{tmp_path}/state/conversations.db").since(HOUR)
    assert {kind: count for (_, kind), count in counts.items()} == {"transcripts": 1}

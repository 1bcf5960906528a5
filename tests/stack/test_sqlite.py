"""What SQLite needs beside SQLAlchemy, on real files."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lightspeed_stack import sqlite


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A database with one table of one number."""
    file = str(tmp_path / "numbers.db")
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE number (value INTEGER)")
    connection.execute("INSERT INTO number VALUES (7)")
    connection.commit()
    connection.close()
    return file


class Counting:
    """Connects, and knows how often."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.made: list[sqlite3.Connection] = []

    def __call__(self) -> sqlite3.Connection:
        self.made.append(sqlite.connect(self._path, 1))
        return self.made[-1]


def test_one_connection_serves_one_after_the_other(path: str) -> None:
    connect = Counting(path)
    connections = sqlite.Connections(connect)
    for value in (7, 8):
        found = connections.rows("SELECT count(*) FROM number WHERE value = :value", {"value": value})
        assert found == [(value == 7,)]
    assert len(connect.made) == 1
    connections.close()


def test_what_others_have_committed_is_seen_at_once(path: str) -> None:
    connections = sqlite.Connections(Counting(path))
    assert connections.rows("SELECT value FROM number", {}) == [(7,)]
    other = sqlite3.connect(path)
    other.execute("UPDATE number SET value = 8")
    other.commit()
    other.close()
    assert connections.rows("SELECT value FROM number", {}) == [(8,)]
    connections.close()


def test_after_an_error_there_is_a_new_connection(path: str) -> None:
    connect = Counting(path)
    connections = sqlite.Connections(connect)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connections.rows("SELECT * FROM letter", {})
    assert connections.rows("SELECT value FROM number", {}) == [(7,)]
    assert len(connect.made) == 2
    connections.close()


def test_changes_are_made_together_or_not_at_all(path: str) -> None:
    connections = sqlite.Connections(Counting(path))
    add = "INSERT INTO number VALUES (:value)"
    assert connections.change([(add, {"value": 8}), ("UPDATE number SET value = value + 1", {})]) == 2
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connections.change([(add, {"value": 1}), ("DELETE FROM letter", {})])
    assert connections.rows("SELECT value FROM number ORDER BY value", {}) == [(8,), (9,)]
    connections.close()


def test_no_connection_is_open_after_close(path: str) -> None:
    connect = Counting(path)
    connections = sqlite.Connections(connect)
    connections.rows("SELECT value FROM number", {})
    connections.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connect.made[0].execute("SELECT 1")


def test_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock")
    first, second = sqlite.OneWriter(lock, 10), sqlite.OneWriter(lock, 10)
    written: list[str] = []

    def write() -> None:
        with second:
            written.append("second")

    with first:
        other = threading.Thread(target=write)
        other.start()
        other.join(0.05)
        written.append("first")
    other.join()
    assert written == ["first", "second"]


def test_waiting_within_a_process_has_an_end(tmp_path: Path) -> None:
    writer = sqlite.OneWriter(str(tmp_path / "lock"), 0.01)
    with writer, pytest.raises(TimeoutError, match="others have been writing for too long"):
        writer.__enter__()


def test_file_is_private_and_an_existing_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    sqlite.create_private(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"kept")
    sqlite.create_private(str(path))
    assert path.read_bytes() == b"kept"


SECRET = "my-secret-question"


@pytest.fixture
def secret(tmp_path: Path) -> tuple[Path, sqlite.Connections]:
    """A database in whose log a secret stands."""
    file = tmp_path / "said.db"
    connections = sqlite.Connections(lambda: sqlite.connect(str(file), 1))
    add = ("INSERT INTO said VALUES (:text)", {"text": SECRET})
    connections.change([("CREATE TABLE said (text TEXT)", {}), add])
    assert SECRET.encode() in file.with_name("said.db-wal").read_bytes()
    return file, connections


def holding(file: Path, text: str) -> list[str]:
    return [each.name for each in file.parent.iterdir() if text.encode() in each.read_bytes()]


def test_what_is_erased_stands_in_no_file(secret: tuple[Path, sqlite.Connections]) -> None:
    file, connections = secret
    said: list[str] = []
    assert connections.erase([("DELETE FROM said", {})], lambda: said.append("before the commit")) == 1
    assert (said, holding(file, SECRET)) == (["before the commit"], [])
    connections.close()


def test_an_erasure_does_not_wait_long_for_who_reads(
    secret: tuple[Path, sqlite.Connections], caplog: pytest.LogCaptureFixture
) -> None:
    file, connections = secret
    with closing(sqlite.connect(str(file), 1)) as reader, caplog.at_level(logging.INFO):
        reader.execute("BEGIN")
        assert reader.execute("SELECT * FROM said").fetchall() == [(SECRET,)]
        assert connections.erase([("DELETE FROM said", {})], lambda: None) == 1
        assert "somebody is reading" in caplog.text
    assert connections.rows("SELECT * FROM said", {}) == []
    connections.close()
    assert holding(file, SECRET) == [], "the last to close it empties the log"


def test_an_erasure_that_fails_erases_nothing(secret: tuple[Path, sqlite.Connections]) -> None:
    _, connections = secret

    def refuse() -> None:
        raise OSError

    with pytest.raises(OSError):
        connections.erase([("DELETE FROM said", {})], refuse)
    assert connections.rows("SELECT * FROM said", {}) == [(SECRET,)]
    connections.close()

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lightspeed_collector.database import VERSION, Database
from lightspeed_collector.errors import LedgerCorrupt, StateError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    database = Database(path)
    with database.transaction():
        database.execute_many("INSERT INTO fact (key, value) VALUES (?, ?)", ((f"key{n}", n) for n in range(5000)))
    database.close()
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def text(path: Path) -> None:
    path.write_text("this is not a database " * 500)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(8192, len(data), 4096):
        data[at : at + 64] = bytes(64)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, zero, text, flip])
def test_damaged_file_is_recognized(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    with pytest.raises(LedgerCorrupt, match=r"ledger\.sqlite"):
        Database(path)


def test_empty_file_is_a_new_one(path: Path) -> None:
    path.write_bytes(b"")
    database = Database(path)
    assert database.query("SELECT count(*) FROM fact") == [(0,)]
    database.close()


def test_transaction_is_all_or_nothing(path: Path) -> None:
    database = Database(path)

    def fail() -> None:
        with database.transaction():
            database.execute("DELETE FROM fact")
            raise TimeoutError

    with pytest.raises(TimeoutError):
        fail()
    assert database.query("SELECT count(*) FROM fact") == [(5000,)]
    database.close()


def test_commits_are_durable_and_synced(path: Path) -> None:
    database = Database(path)
    assert database.query("PRAGMA synchronous") == [(2,)]
    assert database.query("PRAGMA journal_mode") == [("truncate",)]
    database.close()


def test_later_release_of_the_file_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(StateError, match="later release"):
        Database(path)


def test_folder_that_is_missing_is_a_fault_of_the_state(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        Database(tmp_path / "nowhere" / "ledger.sqlite")


def test_reader_changes_nothing_and_needs_no_file(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    reader = Database.reader(path)
    assert reader.query("SELECT count(*) FROM fact") == [(5000,)]
    with pytest.raises(StateError):
        reader.execute("DELETE FROM fact")
    reader.close()
    nothing = Database.reader(tmp_path / "nothing.sqlite")
    assert nothing.query("SELECT count(*) FROM fact") == [(0,)]
    nothing.close()
    assert path.read_bytes() == before
    assert not (tmp_path / "nothing.sqlite").exists()


def test_reader_finishes_what_a_killed_commit_left(path: Path) -> None:
    """A hot journal: the change is undone, and the reader sees what was committed."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN")
    connection.execute("UPDATE fact SET value = -1")
    journal = path.with_name(f"{path.name}-journal")
    saved = (path.read_bytes(), journal.read_bytes())
    connection.execute("ROLLBACK")
    connection.close()
    path.write_bytes(saved[0])
    journal.write_bytes(saved[1])
    reader = Database.reader(path)
    assert reader.query("SELECT count(*) FROM fact WHERE value < 0") == [(0,)]
    reader.close()


def test_damage_in_a_large_file_shows_when_it_is_used(path: Path) -> None:
    database = Database(path)
    with database.transaction():
        database.execute_many("INSERT INTO fact (key, value) VALUES (?, 1)", ((f"{n}" * 40,) for n in range(60_000)))
    database.close()
    flip(path)
    with pytest.raises(LedgerCorrupt):
        Database(path).query("SELECT sum(value), max(key) FROM fact")

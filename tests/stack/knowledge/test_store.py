"""The tables of an index: words as the index spells them, and what it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lightspeed_stack.knowledge import documents, store


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        store.prepare(connection, empty=True)
        yield connection


def test_stems_keep_order_and_repetition(connection: sqlite3.Connection) -> None:
    title, head, body = store.stems(connection, "Mounting disks", "mounts", "disk, Disk; mounted über")
    assert (title, head, body) == (["mount", "disk"], ["mount"], ["disk", "disk", "mount", "uber"])


def test_stems_leave_nothing_behind(connection: sqlite3.Connection) -> None:
    store.stems(connection, "first")
    assert store.stems(connection, "second")[0] == ["second"]


def test_update_brings_in_changes_and_takes_out(connection: sqlite3.Connection, tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(f"# {name}\n\nbody")
    found = documents.find(tmp_path)
    store.update(connection, str(tmp_path), {}, found)
    assert store.contents(connection) == ({str(tmp_path): found}, set())
    store.update(connection, str(tmp_path), found, {"a.md": found["a.md"]})
    assert store.contents(connection) == ({str(tmp_path): {"a.md": found["a.md"]}}, set())
    assert connection.execute("SELECT title FROM words").fetchall() == [("a.md",)]
    assert connection.execute("SELECT count(*) FROM passages").fetchone() == (1,)


def test_file_that_vanished_after_it_was_found_is_left_out(
    connection: sqlite3.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.update(connection, str(tmp_path), {}, {"gone.md": (1, 1)})
    assert store.contents(connection) == ({str(tmp_path): {}}, set())
    assert "gone.md" in caplog.text


def test_finish_sums_up(connection: sqlite3.Connection, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One\n\ntwo words")
    (tmp_path / "b.md").write_text("# One\n\nthese are four words")
    store.update(connection, str(tmp_path), {}, documents.find(tmp_path))
    store.finish(connection)
    assert connection.execute("SELECT * FROM totals").fetchall() == [(2, 4.0)]
    assert connection.execute("SELECT passages FROM terms WHERE term = 'word'").fetchall() == [(2,)]


def test_empty_index_can_be_summed_up(connection: sqlite3.Connection) -> None:
    store.finish(connection)
    assert connection.execute("SELECT * FROM totals").fetchall() == [(0, 1.0)]


def test_added_directories_are_told(connection: sqlite3.Connection, tmp_path: Path) -> None:
    store.update(connection, str(tmp_path), {}, {})
    store.mark_added(connection, str(tmp_path))
    assert store.contents(connection) == ({str(tmp_path): {}}, {str(tmp_path)})


def test_file_of_another_version_holds_nothing(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = 0")
    assert store.contents(connection) == ({}, set())

"""The index file: when it is renewed, what survives a crash, and several processes at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lightspeed_stack.knowledge import builder


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    directory = tmp_path / "docs"
    directory.mkdir()
    write(directory, "a.md", "# Restart the queue\n\nqueuectl restart")
    write(directory, "b.md", "# Empty the cache\n\ncachectl empty")
    return directory


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "state" / "index.db"


def write(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(text)


def titles(index: Path) -> list[str]:
    with closing(sqlite3.connect(index)) as connection:
        return sorted(title for (title,) in connection.execute("SELECT title FROM words"))


def test_first_refresh_makes_the_file_and_its_folder(docs: Path, index: Path) -> None:
    assert builder.refresh(index, [docs])
    assert titles(index) == ["Empty the cache", "Restart the queue"]


def test_refresh_without_changes_leaves_the_file_alone(docs: Path, index: Path) -> None:
    builder.refresh(index, [docs])
    before = builder.identity(index)
    assert not builder.refresh(index, [docs])
    assert builder.identity(index) == before


def test_refresh_without_changes_needs_no_right_to_write(docs: Path, index: Path) -> None:
    builder.refresh(index, [docs])
    (index.parent / f"{index.name}.lock").unlink()
    builder.refresh(index, [docs])
    assert sorted(os.listdir(index.parent)) == [index.name]


def test_new_changed_and_removed_documents_are_seen(docs: Path, index: Path) -> None:
    builder.refresh(index, [docs])
    write(docs, "c.md", "# A third thing\n\nx")
    write(docs, "a.md", "# Restart the queue safely\n\nqueuectl drain")
    (docs / "b.md").unlink()
    assert builder.refresh(index, [docs])
    assert titles(index) == ["A third thing", "Restart the queue safely"]


def test_only_what_changed_is_read_again(docs: Path, index: Path) -> None:
    builder.refresh(index, [docs])
    with closing(sqlite3.connect(index)) as connection, connection:
        connection.execute("UPDATE words SET title = 'as it was' WHERE title = 'Empty the cache'")
    write(docs, "c.md", "# A third thing\n\nx")
    builder.refresh(index, [docs])
    assert titles(index) == ["A third thing", "Restart the queue", "as it was"]


def test_other_directories_in_the_file_stay(docs: Path, index: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, "o.md", "# Other\n\nx")
    builder.refresh(index, [other])
    builder.refresh(index, [docs])
    assert titles(index) == ["Empty the cache", "Other", "Restart the queue"]


def test_added_directories_are_refreshed_ever_after(docs: Path, index: Path, tmp_path: Path) -> None:
    added = tmp_path / "added"
    added.mkdir()
    builder.refresh(index, [], added=[added])
    write(added, "n.md", "# Newer\n\nx")
    assert builder.refresh(index, [docs])
    assert "Newer" in titles(index)


def test_adding_an_indexed_directory_again_marks_it(docs: Path, index: Path) -> None:
    builder.refresh(index, [docs])
    assert builder.refresh(index, [], added=[docs])
    assert not builder.refresh(index, [], added=[docs])


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + bytes(4080)])
def test_a_file_that_is_no_index_is_replaced(docs: Path, index: Path, content: bytes) -> None:
    index.parent.mkdir()
    index.write_bytes(content)
    assert builder.refresh(index, [docs])
    assert len(titles(index)) == 2


def test_index_of_another_version_is_replaced(docs: Path, index: Path) -> None:
    builder.refresh(index, [docs])
    with closing(sqlite3.connect(index)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert builder.refresh(index, [docs])
    assert not builder.refresh(index, [docs])


def test_index_that_breaks_while_it_is_renewed_is_made_anew(docs: Path, index: Path) -> None:
    builder.refresh(index, [docs])
    with closing(sqlite3.connect(index)) as connection:
        connection.execute("DROP TABLE passages")
    write(docs, "c.md", "# A third thing\n\nx")
    assert builder.refresh(index, [docs])
    assert len(titles(index)) == 3


def test_distrusted_file_is_made_anew_and_keeps_what_was_added(docs: Path, index: Path, tmp_path: Path) -> None:
    added = tmp_path / "added"
    added.mkdir()
    write(added, "n.md", "# Added\n\nx")
    builder.refresh(index, [docs], added=[added])
    assert builder.refresh(index, [docs], distrusted=builder.identity(index))
    assert titles(index) == ["Added", "Empty the cache", "Restart the queue"]


def test_file_that_somebody_made_anew_meanwhile_is_trusted(docs: Path, index: Path) -> None:
    builder.refresh(index, [docs])
    distrusted = builder.identity(index)
    write(docs, "c.md", "# A third thing\n\nx")
    builder.refresh(index, [docs])
    assert not builder.refresh(index, [docs], distrusted=distrusted)


def test_draft_of_a_killed_process_is_no_hindrance(docs: Path, index: Path) -> None:
    index.parent.mkdir()
    (index.parent / f"{index.name}.draft").write_bytes(b"half")
    assert builder.refresh(index, [docs])
    assert len(titles(index)) == 2


def test_index_that_cannot_be_written_is_an_error_of_the_system(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        builder.refresh(tmp_path / "file" / "index.db", [docs])


def test_several_processes_at_once_build_it_once(docs: Path, index: Path) -> None:
    for number in range(200):
        write(docs, f"n{number}.md", f"# Document {number}\n\nbody")
    program = (
        "import sys; from pathlib import Path; from lightspeed_stack.knowledge import builder\n"
        "sys.stdin.readline(); print(builder.refresh(Path(sys.argv[1]), [Path(sys.argv[2])]))"
    )
    command = [sys.executable, "-c", program, str(index), str(docs)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = sorted(process.communicate()[0].strip() for process in processes)
    assert answers == ["False", "False", "False", "True"]
    assert len(titles(index)) == 202

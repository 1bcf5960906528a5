"""Files that are whole or absent, whatever else is in the directory."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lightspeed_stack import durable


def test_written_file_has_exactly_the_mode(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        durable.Directory(tmp_path).write("a", b"data", 0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_bytes() == b"data"
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize("there", ["file", "dangling", "folder"])
def test_nothing_is_written_over_or_through_what_is_there(tmp_path: Path, there: str) -> None:
    (tmp_path / "file").write_bytes(b"before")
    (tmp_path / "dangling").symlink_to("target")
    (tmp_path / "folder").mkdir()
    directory = durable.Directory(tmp_path)
    assert directory.has(there)
    with pytest.raises(FileExistsError):
        directory.write(there, b"after", 0o600)
    assert (tmp_path / "file").read_bytes() == b"before"
    assert not (tmp_path / "target").exists()
    assert not directory.has("target")


def test_linking_never_replaces(tmp_path: Path) -> None:
    directory = durable.Directory(tmp_path)
    directory.write("a", b"a", 0o600)
    directory.write("b", b"b", 0o600)
    with pytest.raises(FileExistsError):
        directory.link("a", "b")
    directory.link("a", "c")
    assert ((tmp_path / "b").read_bytes(), (tmp_path / "c").read_bytes()) == (b"b", b"a")


def test_replacing_leaves_no_draft_even_when_it_fails(tmp_path: Path) -> None:
    directory = durable.Directory(tmp_path)
    directory.replace("a", b"1", 0o600)
    directory.replace("a", b"2", 0o640)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        directory.replace("folder", b"3", 0o600)
    assert sorted(os.listdir(tmp_path)) == ["a", "folder"]
    assert (tmp_path / "a").read_bytes() == b"2"
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o640


def test_removing_says_whether_it_could(tmp_path: Path) -> None:
    directory = durable.Directory(tmp_path)
    directory.write("a", b"", 0o600)
    assert [directory.remove("a"), directory.remove("a"), directory.remove("..")] == [True, False, False]


def test_work_goes_on_in_the_directory_that_was_opened(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    directory = durable.Directory(tmp_path / "one")
    assert directory.is_at(tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "two")
    (tmp_path / "one").mkdir()
    directory.replace("a", b"", 0o600)
    assert (tmp_path / "two" / "a").exists()
    assert not directory.is_at(tmp_path / "one")
    assert directory.is_at(tmp_path / "two")
    assert not directory.is_at(tmp_path / "three")


def test_missing_parents_are_made_and_a_file_among_them_is_told(tmp_path: Path) -> None:
    durable.make(tmp_path / "a" / "b")
    durable.make(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match=re.escape(str(tmp_path / "file" / "c"))):
        durable.make(tmp_path / "file" / "c")


def test_relative_paths_are_made_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    durable.make(Path("a/b"))
    assert (tmp_path / "a" / "b").is_dir()

"""A folder that only grows by what is new."""

import sqlite3
from pathlib import Path

import pytest

from lightspeed_collector.ingress.folder import Folder, FolderBusy, FolderError
from lightspeed_collector.ingress.reading import Record

ONE = Record("transcripts", "one.json", 1, [b"1"])


def test_a_record_is_added_once_over_runs(tmp_path: Path) -> None:
    for expected in (True, False):
        with Folder(tmp_path / "out") as folder:
            assert folder.add(ONE, "a") is expected
    assert (tmp_path / "out" / "transcripts" / "one.json").read_bytes() == b"1"


def test_the_same_content_under_another_kind_or_name_is_another_record(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        assert folder.add(ONE, "a")
        assert folder.add(ONE._replace(kind="feedback"), "a")
        assert folder.add(ONE._replace(name="two.json"), "a")


def test_other_content_under_a_name_is_put_beside_it(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        assert folder.add(ONE, "a")
        assert folder.add(ONE._replace(pieces=[b"2"]), "b")
    contents = {path.name: path.read_bytes() for path in (tmp_path / "transcripts").iterdir()}
    assert contents.pop("one.json") == b"1"
    ((name, content),) = contents.items()
    assert name.startswith("one.")
    assert content == b"2"


def test_a_payload_counts_as_finished_only_when_told_so(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.add(ONE, "a")
        assert not folder.has("a.tar.gz")
        folder.finish("a.tar.gz")
    with Folder(tmp_path) as folder:
        assert folder.has("a.tar.gz")


def test_the_memory_is_committed_on_the_way(tmp_path: Path) -> None:
    with Folder(tmp_path, settle_every=2) as folder:
        for name in ("a.json", "b.json"):
            folder.add(ONE._replace(name=name), "a")
        folder.finish("a.tar.gz")
        with sqlite3.connect(tmp_path / ".unpacked") as other:
            assert other.execute("SELECT name FROM payload").fetchall() == [("a.tar.gz",)]
        other.close()
        with pytest.raises(FolderBusy), Folder(tmp_path):
            pass


def test_a_record_that_cannot_be_written_is_not_remembered(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        (tmp_path / "transcripts").rmdir()
        with pytest.raises(FolderError, match="transcripts"):
            folder.add(ONE, "a")
    with Folder(tmp_path) as folder:
        assert folder.add(ONE, "a")


def test_a_memory_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / ".unpacked").write_bytes(b"nonsense" * 200)
    with pytest.raises(FolderError), Folder(tmp_path):
        pass

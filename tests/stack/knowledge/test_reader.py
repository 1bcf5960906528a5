"""One connection: what it finds, and that it never writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightspeed_stack.knowledge import builder
from lightspeed_stack.knowledge.reader import MAX_MISSPELT, Reader, origin
from lightspeed_stack.knowledge.store import DAMAGE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Restart the service\n\nsystemctl restart nginx")
    (docs / "b.md").write_text("# Grow a snapshot\n\nlvextend")
    builder.refresh(tmp_path / "index.db", [docs])
    return tmp_path / "index.db"


def test_misspelt_words_are_found(file: Path) -> None:
    assert Reader(file).terms("how to restrat a servise and some unicorns") == {"restart": 1, "servic": 1, "unicorn": 0}


def test_only_a_few_words_are_looked_at_for_their_spelling(file: Path) -> None:
    reader = Reader(file)
    strangers = ["quixotic", "zeppelin", "marzipan", "volcanic"]
    assert len(strangers) == MAX_MISSPELT
    assert "snapshot" in reader.terms("snapshott")
    assert "snapshot" not in reader.terms(" ".join([*strangers, "snapshott"]))


def test_roots_that_are_not_asked_for_are_not_searched(file: Path, tmp_path: Path) -> None:
    reader = Reader(file)
    assert reader.search("restart service", [], 4, 0) == ()
    assert len(reader.search("restart service", [str(tmp_path / "docs")], 4, 0)) == 1


def test_reading_leaves_no_file_behind_and_needs_no_right_to_write(file: Path, tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    file.chmod(0o400)
    Reader(file).search("restart service", [str(tmp_path / "docs")], 4, 0)
    assert sorted(os.listdir(tmp_path)) == before


def test_origin_changes_with_the_file(file: Path, tmp_path: Path) -> None:
    before = origin(file)
    (tmp_path / "docs" / "c.md").write_text("# C\n\nx")
    builder.refresh(file, [tmp_path / "docs"])
    assert origin(file) != before


def test_file_that_is_no_index_is_damage(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"no index" * 1000)
    with pytest.raises(DAMAGE):
        Reader(tmp_path / "index.db")


def test_numbers_that_stand_nowhere_are_left_out(file: Path) -> None:
    assert Reader(file).terms("restart after 4711 seconds") == {"restart": 1, "second": 0}


def test_further_titles_are_as_good_as_the_title(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: Fix it\nalso: stuck printer queue; paper jam\n---\n\nx")
    (tmp_path / "b.md").write_text("---\ntitle: Paper sizes\nkeywords: jam\n---\n\nx")
    builder.refresh(tmp_path / "index.db", [tmp_path])
    assert Reader(tmp_path / "index.db").search("paper jam", [str(tmp_path)], 4, 0)[0].title == "Fix it"


def test_document_with_a_subject_is_found_only_by_one_of_its_words(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: Fill up the spool\nsubject: collector spools\n---\n\nx")
    builder.refresh(tmp_path / "index.db", [tmp_path])
    reader = Reader(tmp_path / "index.db")
    assert reader.search("what can fill up", [str(tmp_path)], 4, 0) == ()
    assert len(reader.search("what can fill up a spool", [str(tmp_path)], 4, 0)) == 1

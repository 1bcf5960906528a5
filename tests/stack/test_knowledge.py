"""`lightspeed-stack index`."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightspeed_stack import knowledge
from lightspeed_stack.daemon import exits
from lightspeed_stack.retriever import Index


def test_directories_are_added_for_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Restart the engine\n\nx")
    state = tmp_path / "state"
    assert knowledge.command([docs], state) == exits.OK
    assert capsys.readouterr().out == f"1 documents with 1 passages in {state}/documents.db\n"
    index = Index(knowledge.index_file(state))
    index.refresh([knowledge.CARDS])
    assert index.search("engine")[0].source == "docs/a.md"


def test_what_is_no_directory_is_a_mistake_in_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert knowledge.command([tmp_path, tmp_path / "nowhere"], tmp_path / "state") == exits.USAGE
    assert capsys.readouterr().err == f"lightspeed-stack: {tmp_path}/nowhere: not a directory\n"
    assert not (tmp_path / "state").exists()


def test_state_directory_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert knowledge.command([tmp_path], tmp_path / "file" / "state") == exits.CANTCREAT
    assert str(tmp_path / "file") in capsys.readouterr().err

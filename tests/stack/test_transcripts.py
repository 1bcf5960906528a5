"""What becomes of a transcript, record by record; the way there is tested with interaction and the views."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lightspeed_stack import parts
from lightspeed_stack.interaction import DISCONNECTED
from lightspeed_stack.providers.base import Chunk
from tests.fakes.application import configuration
from tests.stack.test_interaction import begin


@pytest.fixture
def made(tmp_path: Path) -> parts.Parts:
    settings = configuration(tmp_path)
    settings.state_dir.mkdir(parents=True)
    return parts.assemble(settings, tmp_path / "run")


def only(folder: Path) -> dict[str, Any]:
    [file] = (folder / "spool" / "transcripts").glob("[!.]*.json")
    record: dict[str, Any] = json.loads(file.read_text())
    return record


def test_a_record_bears_a_pseudonym_and_the_outcome(made: parts.Parts, tmp_path: Path) -> None:
    asked = begin(made.interactions)
    made.interactions.finish(asked, "So", DISCONNECTED, 3, 1)
    record = only(tmp_path)
    assert record["metadata"]["user_id"] == made.pseudonym.of("alice")
    assert record["extensions"] == {
        "outcome": "disconnected",
        "query_provider": None,
        "query_model": None,
        "input_tokens": 3,
        "output_tokens": 1,
    }


def test_passages_of_the_provider_are_recorded(made: parts.Parts, tmp_path: Path) -> None:
    chunk = Chunk("text", "a.md", 0.5, "A", None, {"part": 1})
    made.interactions.finish(begin(made.interactions), "So", "complete", 0, 0, (chunk,))
    assert only(tmp_path)["rag_chunks"] == [
        {"content": "text", "source": "a.md", "score": 0.5, "attributes": {"part": 1}}
    ]


def test_the_files_name_says_whose_conversation_it_is(made: parts.Parts, tmp_path: Path) -> None:
    asked = begin(made.interactions)
    made.interactions.finish(asked, "So", "complete", 0, 0)
    [file] = (tmp_path / "spool" / "transcripts").glob("[!.]*.json")
    assert file.name.split("_")[1] == asked.conversation_id

"""What fails or takes too long at the end of an answer: the transcript is kept, or its loss is told."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from lightspeed_stack import parts
from lightspeed_stack.asked import Asked
from lightspeed_stack.auth import User
from lightspeed_stack.ending import COMPLETE, FAILED, Ending
from lightspeed_stack.parse import Query
from lightspeed_stack.parts import Parts
from lightspeed_stack.transcripts import Transcripts
from tests.fakes.application import configuration, provider
from tests.fakes.provider import FakeProvider

ALICE = User("alice", "Alice")
NOW = datetime(2025, 8, 4, 16, 55, 17, tzinfo=UTC)
UNSPEAKABLE = 10**5000  # Python refuses to write it down, so there is no record
NO_TIME = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))  # in no calendar in UTC, so there is no turn


@pytest.fixture
def made(tmp_path: Path, fake: FakeProvider) -> Parts:
    settings = configuration(tmp_path, provider(fake.url))
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    return parts.assemble(settings, tmp_path / "run")


@pytest.fixture
def ending(made: Parts) -> Ending:
    """Waits for no opening."""
    transcripts = Transcripts(made.spools["transcripts"], made.pseudonym, made.metrics, made.tally, made.opt_outs)
    return Ending(made.memory, made.redactor, transcripts, made.metrics, opening_seconds=0)


@pytest.fixture
def endless() -> Future[bool]:
    """The opening of a conversation that has begun and does not end."""
    opening: Future[bool] = Future()
    opening.set_running_or_notify_cancel()
    return opening


def begin(made: Parts, conversation_id: str | None = None, *, private: bool = False) -> Asked:
    query = Query("hi", conversation_id, None, None, None, (), None, True)
    return made.interactions.begin(ALICE, query, NOW, private=private)


def kept(folder: Path) -> list[str]:
    """The answers in those transcripts that are not withdrawn."""
    spool = folder / "spool" / "transcripts"
    records = [json.loads(path.read_text()) for path in sorted(spool.glob("[!.]*.json"))]
    withdrawn = [path.name.split("_")[1] for path in spool.glob(".forget_*")]
    return [each["llm_response"] for each in records if each["metadata"]["conversation_id"] not in withdrawn]


def losses(made: Parts, cause: str) -> float:
    return sum(
        value
        for name, labels, value in made.metrics.samples()
        if name == "ls_spool_failures_total" and labels["cause"] == cause
    )


def test_conversation_that_is_not_begun_in_time_leaves_no_transcript(
    made: Parts, ending: Ending, endless: Future[bool], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = dataclasses.replace(begin(made), opening=endless)
    ending.finish(asked, "answer", COMPLETE, (5, 2))
    assert kept(tmp_path) == []
    assert made.conversations.get(asked.conversation_id) is None, "a turn would bring back what was deleted meanwhile"
    assert caplog.text.count("a transcript is lost") == 1
    assert losses(made, "database") == 1


def test_where_none_would_be_kept_none_is_lost(
    made: Parts, ending: Ending, endless: Future[bool], caplog: pytest.LogCaptureFixture
) -> None:
    ending.finish(dataclasses.replace(begin(made, private=True), opening=endless), "answer", COMPLETE, (5, 2))
    ending.finish(dataclasses.replace(begin(made), opening=endless), "", FAILED, (0, 0))
    ending.finish(begin(made, private=True), "answer", COMPLETE, (UNSPEAKABLE, 2))
    assert "a transcript is lost" not in caplog.text


def test_opening_that_fails_unforeseen_is_none(
    made: Parts, ending: Ending, endless: Future[bool], tmp_path: Path
) -> None:
    endless.set_exception(RuntimeError())
    asked = dataclasses.replace(begin(made), opening=endless)
    ending.finish(asked, "answer", COMPLETE, (5, 2))
    assert kept(tmp_path) == ["answer"]
    assert made.conversations.get(asked.conversation_id) is not None


def test_unforeseen_fault_is_told_as_a_loss(made: Parts, ending: Ending, caplog: pytest.LogCaptureFixture) -> None:
    ending.finish(begin(made), "answer", COMPLETE, (UNSPEAKABLE, 2))
    assert "a transcript is lost: an unforeseen fault" in caplog.text
    assert losses(made, "error") == 1


def test_unforeseen_fault_costs_nothing_that_was_kept_before(made: Parts, ending: Ending, tmp_path: Path) -> None:
    first = begin(made)
    ending.finish(first, "one", COMPLETE, (5, 2))
    ending.finish(begin(made, first.conversation_id), "two", COMPLETE, (UNSPEAKABLE, 2))
    assert kept(tmp_path) == ["one"]
    assert losses(made, "error") == 1


def test_unforeseen_fault_leaves_no_transcript_that_nobody_can_delete(
    made: Parts, ending: Ending, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ending.finish(dataclasses.replace(begin(made), started_at=NO_TIME), "answer", COMPLETE, (5, 2))
    assert kept(tmp_path) == []
    assert caplog.text.count("a transcript is lost") == 1


def test_nor_one_of_a_conversation_that_was_deleted_meanwhile(made: Parts, ending: Ending, tmp_path: Path) -> None:
    first = begin(made)
    ending.finish(first, "one", COMPLETE, (5, 2))
    second = dataclasses.replace(begin(made, first.conversation_id), started_at=NO_TIME)
    ending.finish(second, "two", COMPLETE, (5, 2))
    assert kept(tmp_path) == ["one", "two"]
    made.forgetting.forget(first.conversation_id)
    ending.finish(second, "three", COMPLETE, (5, 2))
    assert kept(tmp_path) == []

"""The story of a question between begin and finish; what HTTP shows of it is tested with the views."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lightspeed_stack import interaction, parts
from lightspeed_stack.asked import Asked
from lightspeed_stack.auth import User
from lightspeed_stack.interaction import Interactions
from lightspeed_stack.parse import Query
from lightspeed_stack.parts import Parts
from tests.fakes.application import configuration, provider
from tests.fakes.daemon import merged
from tests.fakes.provider import FakeProvider

ALICE = User("alice", "Alice")
NOW = datetime(2025, 8, 4, 16, 55, 17, tzinfo=UTC)
Make = Callable[..., Parts]


@pytest.fixture
def make(tmp_path: Path, fake: FakeProvider) -> Make:
    def assemble(**overrides: Any) -> Parts:
        settings = configuration(tmp_path, merged(provider(fake.url), overrides))
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        return parts.assemble(settings, tmp_path / "run")

    return assemble


@pytest.fixture
def made(make: Make) -> Parts:
    return make()


def query(text: str = "hi", **more: Any) -> Query:
    plain = Query(text, None, None, None, None, (), None, True)
    return Query(*(more.get(name, getattr(plain, name)) for name in Query.__slots__))


def begin(interactions: Interactions, asked: Query | None = None, **more: Any) -> Asked:
    return interactions.begin(ALICE, asked or query(), NOW, **more)


def transcripts(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "spool" / "transcripts").glob("[!.]*.json"))]


def withdrawn(folder: Path, conversation_id: str) -> int:
    """How many requests to forget the conversation's transcripts there are."""
    return len(list((folder / "spool" / "transcripts").glob(f".forget_{conversation_id}_*")))


class TestBegin:
    def test_what_was_decided(self, made: Parts) -> None:
        asked = begin(made.interactions, query("q", provider="openai", model="echo"), endpoint="/v1/streaming_query")
        assert asked.valid
        assert asked.labels == ("openai", "echo", "/v1/streaming_query")
        assert (asked.requested_provider, asked.requested_model) == ("openai", "echo")
        assert asked.started_at == NOW
        assert asked.recorded
        assert [message.content for message in asked.messages] == ["You are a helpful assistant", "q"]

    def test_each_conversation_is_another(self, made: Parts) -> None:
        first, second = (begin(made.interactions).conversation_id for _ in range(2))
        assert first != second

    def test_nothing_is_kept_yet(self, made: Parts, tmp_path: Path) -> None:
        asked = begin(made.interactions)
        assert made.conversations.get(asked.conversation_id) is None
        assert transcripts(tmp_path) == []


class TestFinish:
    @pytest.mark.parametrize(
        "outcome", [interaction.COMPLETE, interaction.INTERRUPTED, interaction.DISCONNECTED, interaction.FAILED]
    )
    def test_what_was_said_is_remembered_and_recorded(self, made: Parts, tmp_path: Path, outcome: str) -> None:
        asked = begin(made.interactions)
        made.interactions.finish(asked, "so far", outcome, 5, 2)
        [record] = transcripts(tmp_path)
        assert (record["llm_response"], record["extensions"]["outcome"]) == ("so far", outcome)
        [turn] = made.conversations.history(asked.conversation_id)
        assert (turn.question, turn.answer, turn.started_at) == ("hi", "so far", NOW)

    def test_a_question_that_failed_at_once_leaves_nothing(self, made: Parts, tmp_path: Path) -> None:
        asked = begin(made.interactions)
        made.interactions.finish(asked, "", interaction.FAILED, 0, 0)
        assert transcripts(tmp_path) == []
        assert made.conversations.get(asked.conversation_id) is None

    def test_one_that_nobody_waited_for_leaves_a_transcript_and_no_turn(self, made: Parts, tmp_path: Path) -> None:
        asked = made.interactions.announce(begin(made.interactions))
        made.interactions.finish(asked, "", interaction.DISCONNECTED, 0, 0)
        assert [record["llm_response"] for record in transcripts(tmp_path)] == [""]
        assert made.conversations.history(asked.conversation_id) == ()

    def test_an_answer_may_be_empty(self, made: Parts) -> None:
        asked = begin(made.interactions)
        made.interactions.finish(asked, "", interaction.COMPLETE, 0, 0)
        assert [turn.answer for turn in made.conversations.history(asked.conversation_id)] == [""]

    def test_what_is_private_is_remembered_only(self, made: Parts, tmp_path: Path) -> None:
        asked = begin(made.interactions, private=True)
        made.interactions.finish(asked, "answer", interaction.COMPLETE, 0, 0)
        assert transcripts(tmp_path) == []
        assert len(made.conversations.history(asked.conversation_id)) == 1

    def test_a_conversation_deleted_meanwhile_stays_deleted(self, made: Parts, tmp_path: Path) -> None:
        first = begin(made.interactions)
        made.interactions.finish(first, "one", interaction.COMPLETE, 0, 0)
        second = begin(made.interactions, query("two", conversation_id=first.conversation_id))
        made.forgetting.forget(first.conversation_id)
        made.interactions.finish(second, "two", interaction.COMPLETE, 0, 0)
        assert made.conversations.get(first.conversation_id) is None
        assert [record["llm_response"] for record in transcripts(tmp_path)] == ["one"]

    def test_a_database_that_fails_costs_no_answer_and_leaves_no_transcript_that_nobody_can_delete(
        self, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = make(database={"sqlite": {"db_path": str(tmp_path)}})
        for asked in (begin(made.interactions), made.interactions.announce(begin(made.interactions))):
            made.interactions.finish(asked, "answer", interaction.COMPLETE, 0, 0)
            assert withdrawn(tmp_path, asked.conversation_id) == 1
        assert "a turn is not remembered" in caplog.text
        assert caplog.text.count("a transcript is lost") == 2
        assert b'ls_spool_failures_total{cause="database",kind="transcripts"} 2.0' in made.metrics.render()[0]

    def test_what_can_not_be_counted_is_kept_even_so(
        self, made: Parts, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        asked = begin(made.interactions)
        made.interactions.finish(asked, "answer", interaction.COMPLETE, 10**400, 3)
        assert [record["llm_response"] for record in transcripts(tmp_path)] == ["answer"]
        assert [turn.answer for turn in made.conversations.history(asked.conversation_id)] == ["answer"]
        assert "an answer could not be counted" in caplog.text
        assert "lost" not in caplog.text


class TestAnnounce:
    def test_a_conversation_can_be_deleted_during_its_first_answer(self, made: Parts, tmp_path: Path) -> None:
        asked = made.interactions.announce(begin(made.interactions))
        assert made.conversations.get(asked.conversation_id) is not None
        assert made.conversations.list(ALICE.id) == (), "nothing was said in it yet"
        made.forgetting.forget(asked.conversation_id)
        made.interactions.finish(asked, "answer", interaction.COMPLETE, 0, 0)
        assert made.conversations.get(asked.conversation_id) is None
        assert transcripts(tmp_path) == []

    def test_it_gets_its_turn_and_its_name(self, made: Parts) -> None:
        asked = made.interactions.announce(begin(made.interactions, query("Why?")))
        made.interactions.finish(asked, "Because.", interaction.COMPLETE, 0, 0)
        [known] = made.conversations.list(ALICE.id)
        assert (known.id, known.topic_summary, known.message_count) == (asked.conversation_id, "Why?", 1)
        assert (known.last_used_provider, known.last_used_model) == (asked.model.provider, asked.model.name)
        assert [turn.answer for turn in made.conversations.history(known.id)] == ["Because."]

    def test_one_that_is_known_is_left_alone(self, made: Parts) -> None:
        first = made.interactions.announce(begin(made.interactions))
        made.interactions.finish(first, "one", interaction.COMPLETE, 0, 0)
        second = begin(made.interactions, query("two", conversation_id=first.conversation_id))
        assert made.interactions.announce(second) is second

    def test_with_a_transcript_and_no_turn_it_can_still_be_deleted(self, made: Parts, tmp_path: Path) -> None:
        asked = made.interactions.announce(begin(made.interactions))
        made.interactions.finish(asked, "", interaction.DISCONNECTED, 0, 0)
        assert len(transcripts(tmp_path)) == 1
        assert withdrawn(tmp_path, asked.conversation_id) == 0
        made.forgetting.forget(asked.conversation_id)
        assert withdrawn(tmp_path, asked.conversation_id) > 0

    def test_one_that_came_to_nothing_is_not_listed(self, make: Make) -> None:
        made = make(user_data_collection={"transcripts_enabled": False})
        for outcome in (interaction.FAILED, interaction.DISCONNECTED):
            asked = made.interactions.announce(begin(made.interactions))
            made.interactions.finish(asked, "", outcome, 0, 0)
        assert made.conversations.list(ALICE.id) == ()

    def test_a_failure_takes_nothing_from_who_asks_again_meanwhile(self, made: Parts, tmp_path: Path) -> None:
        first = made.interactions.announce(begin(made.interactions))
        again = begin(made.interactions, query(conversation_id=first.conversation_id))
        made.interactions.finish(first, "", interaction.FAILED, 0, 0)
        made.interactions.finish(again, "answer", interaction.COMPLETE, 0, 0)
        assert [turn.answer for turn in made.conversations.history(first.conversation_id)] == ["answer"]
        assert [record["llm_response"] for record in transcripts(tmp_path)] == ["answer"]


class TestRefusal:
    def test_it_comes_as_answer_and_as_stream(self, make: Make, fake: FakeProvider) -> None:
        validity = {"mode": "keywords", "keywords": ["nginx"], "refusal": "Only nginx."}
        interactions = make(query_validity=validity).interactions
        before = len(fake.asked)
        asked = begin(interactions)
        assert not asked.valid
        assert interactions.ask(asked).text == "Only nginx."
        assert [list(tokens) for tokens in interactions.stream(asked)] == [["Only nginx."]]
        assert len(fake.asked) == before


class TestStream:
    def test_it_is_the_providers(self, made: Parts) -> None:
        stream = made.interactions.stream(begin(made.interactions))
        assert "".join(token for tokens in stream for token in tokens) == "Hello from fake"
        assert stream.usage == (11, 3)
        assert stream.chunks == ()
        stream.close()

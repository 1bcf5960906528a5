from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import records
from lightspeed_stack.providers.base import Chunk

NOW = datetime(2025, 8, 4, 16, 55, 17, 574233, UTC)
ID = "ad14e9de-72d6-42a3-98bf-017e9c0a6b89"
# the specification's examples, as they stand there; a transcript has three more keys
SPECIFIED_TRANSCRIPT = """{
  "metadata": {
    "provider": "openai",
    "model": "gpt-4-turbo",
    "user_id": "user_id_placeholder",
    "conversation_id": "ad14e9de-72d6-42a3-98bf-017e9c0a6b89",
    "timestamp": "2025-08-04T16:55:17.574233+00:00"
  },
  "redacted_query": "Hello",
  "query_is_valid": true,
  "llm_response": "Hi there! How can I assist you today?",
  "rag_chunks": [],
  "truncated": false,
  "attachments": [],
  "tool_calls": [],
  "tool_results": [],
  "extensions": {
    "outcome": "complete"
  }
}"""
SPECIFIED_FEEDBACK = """{
  "user_id": "user_id_placeholder",
  "timestamp": "2025-08-04 16:59:52.004143+00:00",
  "conversation_id": "ad14e9de-72d6-42a3-98bf-017e9c0a6b89",
  "user_question": "Hello",
  "llm_response": "Hi there! How can I assist you today?",
  "sentiment": 1,
  "user_feedback": "Satisfied with the response quality.",
  "categories": null
}"""


def transcript(**changes: object) -> dict[str, object]:
    given_: dict[str, object] = {
        "provider": "openai",
        "model": "gpt-4-turbo",
        "user_id": "user_id_placeholder",
        "conversation_id": ID,
        "now": NOW,
        "redacted_query": "Hello",
        "query_is_valid": True,
        "llm_response": "Hi there! How can I assist you today?",
        "outcome": "complete",
        **changes,
    }
    return records.transcript(**given_)  # type: ignore[arg-type]  # the tests' own keywords


def feedback(**changes: object) -> dict[str, object]:
    given_: dict[str, object] = {
        "user_id": "user_id_placeholder",
        "conversation_id": ID,
        "now": datetime(2025, 8, 4, 16, 59, 52, 4143, UTC),
        "user_question": "Hello",
        "llm_response": "Hi there! How can I assist you today?",
        "sentiment": 1,
        "user_feedback": "Satisfied with the response quality.",
        "categories": None,
        **changes,
    }
    return records.feedback(**given_)  # type: ignore[arg-type]  # the tests' own keywords


def test_a_transcript_is_the_specifications() -> None:
    assert json.dumps(transcript(), indent=2) == SPECIFIED_TRANSCRIPT


def test_feedback_is_the_specifications() -> None:
    assert json.dumps(feedback(), indent=2) == SPECIFIED_FEEDBACK


def test_a_passage_has_upstreams_keys() -> None:
    chunk = Chunk("text", "card.md", 0.5, "A title", "https://example.com", {"lang": "en"})
    expected = [{"content": "text", "source": "card.md", "score": 0.5, "attributes": {"lang": "en"}}]
    assert transcript(chunks=[chunk])["rag_chunks"] == expected
    assert list(expected[0]) == list(records.chunk_as_json(chunk))


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_json_cannot_say_is_null(score: float) -> None:
    chunk = Chunk("text", "card.md", score, "", None, {})
    assert b'"score": null' in records.encode(transcript(chunks=[chunk]))


def test_attachments_are_kept_as_they_came() -> None:
    attachment = {"attachment_type": "log", "content_type": "text/plain", "content": "řádek\n"}
    assert transcript(attachments=(attachment,))["attachments"] == [attachment]


def test_extensions_follow_the_outcome() -> None:
    record = transcript(outcome="failed", extensions={"requested_model": "x"})
    assert list(record)[-1] == "extensions"
    assert record["extensions"] == {"outcome": "failed", "requested_model": "x"}


@pytest.mark.parametrize("categories", [None, [], ()])
def test_no_categories_are_null(categories: object) -> None:
    assert feedback(categories=categories)["categories"] is None


def test_categories_keep_their_order() -> None:
    assert feedback(categories=("unsafe", "other"))["categories"] == ["unsafe", "other"]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (datetime(2025, 1, 2, 3, 4, 5, 0, UTC), "2025-01-02 03:04:05.000000+00:00"),
        (datetime(2025, 1, 2, 3, 4, 5, 9, timezone(timedelta(hours=2))), "2025-01-02 01:04:05.000009+00:00"),
    ],
)
def test_times_are_utc_with_microseconds(now: datetime, said: str) -> None:
    assert feedback(now=now)["timestamp"] == said
    metadata = transcript(now=now)["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["timestamp"] == said.replace(" ", "T")


@given(st.text(st.characters()))
def test_any_text_survives_encoding(text: str) -> None:
    encoded = records.encode(transcript(redacted_query=text, llm_response=text))
    assert json.loads(encoded)["redacted_query"] == text
    assert encoded.isascii()
    assert b"\n" not in encoded


def test_encoding_is_upstreams() -> None:
    assert records.encode({"a": 1, "b": ["ž", None]}) == b'{"a": 1, "b": ["\\u017e", null]}'

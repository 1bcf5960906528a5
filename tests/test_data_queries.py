"""The queries of docs/data.md run over records as the daemon writes them and `unpack` gives them out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

DOCUMENT = Path(__file__).parents[1] / "docs/data.md"
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def transcript(number: int, conversation: str, outcome: str = "complete") -> dict[str, Any]:
    metadata = {
        "provider": "openai",
        "model": "m",
        "user_id": f"u{number % 2}",
        "conversation_id": conversation,
        "timestamp": (START + timedelta(minutes=number)).isoformat(),
    }
    return {
        "metadata": metadata,
        "redacted_query": f"question {number}",
        "query_is_valid": True,
        "llm_response": "answer",
        "rag_chunks": [],
        "truncated": False,
        "attachments": [],
        "tool_calls": [],
        "tool_results": [],
        "extensions": {"outcome": outcome},
    }


def feedback(number: int, conversation: str, sentiment: int | None) -> dict[str, Any]:
    return {
        "user_id": "u1",
        "timestamp": str(START + timedelta(minutes=number, seconds=30)),
        "conversation_id": conversation,
        "user_question": f"question {number}",
        "llm_response": "answer",
        "sentiment": sentiment,
        "user_feedback": "hm",
        "categories": ["incorrect"] if sentiment == -1 else None,
    }


RECORDS = [
    ("transcripts", transcript(0, "a")),
    ("transcripts", transcript(3, "a")),
    ("transcripts", transcript(1, "b", "failed")),
    ("feedback", feedback(0, "a", 1)),
    ("feedback", feedback(1, "b", -1)),
]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What each query of the document returns; the first block makes the views."""
    lines = [
        json.dumps({"kind": kind, "name": f"{number}.json", "batch_id": "x", "record": record})
        for number, (kind, record) in enumerate(RECORDS)
    ]
    (tmp_path / "records.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    views, *queries = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    with duckdb.connect() as connection:
        connection.execute(views)
        return [connection.execute(query).fetchall() for query in queries]


def test_the_five_queries_answer_their_questions(answers: list[list[Any]]) -> None:
    a_day, by_model, wrong, outcomes, lengths = answers
    assert [row[1:] for row in a_day] == [(3, 2)]
    assert by_model == [("m", 2, 0.0)]
    assert [(row[1], row[3]) for row in wrong] == [("question 1", '["incorrect"]')]
    assert outcomes == [("complete", 2, 66.7), ("failed", 1, 33.3)]
    assert lengths == [(1, 1, 0.0), (2, 1, 3.0)]

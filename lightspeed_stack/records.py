"""The two kinds of record that the stack keeps, as the plain objects that are written.

Keys and their order are those of the user data collection's specification, and so are the two spellings of a time:
a `T` in transcripts, a space in feedback. Nothing is redacted or pseudonymized here: callers hand in what may be kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightspeed_stack.providers.base import Chunk

_encode = json.JSONEncoder(allow_nan=False).encode


def transcript(
    *,
    provider: str,
    model: str,
    user_id: str,
    conversation_id: str,
    now: datetime,
    redacted_query: str,
    query_is_valid: bool,
    llm_response: str,
    outcome: str,
    chunks: Sequence[Chunk] = (),
    truncated: bool = False,
    attachments: Sequence[Mapping[str, str]] = (),
    extensions: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """`outcome` and `extensions` make up the record's last key; `now` knows its zone."""
    return {
        "metadata": {
            "provider": provider,
            "model": model,
            "user_id": user_id,
            "conversation_id": conversation_id,
            "timestamp": _time(now, "T"),
        },
        "redacted_query": redacted_query,
        "query_is_valid": query_is_valid,
        "llm_response": llm_response,
        "rag_chunks": [chunk_as_json(chunk) for chunk in chunks],
        "truncated": truncated,
        "attachments": [dict(attachment) for attachment in attachments],
        "tool_calls": [],
        "tool_results": [],
        "extensions": {"outcome": outcome, **(extensions or {})},
    }


def feedback(
    *,
    user_id: str,
    conversation_id: str,
    now: datetime,
    user_question: str,
    llm_response: str,
    sentiment: int | None,
    user_feedback: str | None,
    categories: Sequence[str] | None,
) -> dict[str, object]:
    """No categories and an empty list of them are the same: null."""
    return {
        "user_id": user_id,
        "timestamp": _time(now, " "),
        "conversation_id": conversation_id,
        "user_question": user_question,
        "llm_response": llm_response,
        "sentiment": sentiment,
        "user_feedback": user_feedback,
        "categories": list(categories) if categories else None,
    }


def chunk_as_json(chunk: Chunk) -> dict[str, object]:
    """The shape of a passage in transcripts and in the API's `rag_chunks`; a score that is no number becomes null."""
    score = chunk.score if math.isfinite(chunk.score) else None
    return {"content": chunk.content, "source": chunk.source, "score": score, "attributes": dict(chunk.attributes)}


def encode(record: Mapping[str, object]) -> bytes:
    """One line of ASCII without a newline at its end: any text survives it, half a surrogate pair included."""
    return _encode(record).encode("ascii")


def _time(now: datetime, separator: str) -> str:
    return now.astimezone(UTC).isoformat(separator, timespec="microseconds")

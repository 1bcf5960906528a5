"""The framing of streamed answers, byte by byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import errors, events

DOCUMENTS = [
    {"doc_url": "https://example.com/a", "doc_title": "A", "source": "a.md", "document_id": None},
    {"doc_url": None, "doc_title": "B", "source": "b.md", "document_id": None},
    {"doc_url": "https://example.com/c", "doc_title": "C", "source": "c.md", "document_id": None},
]


def test_a_whole_answer() -> None:
    teller = events.teller(None)
    told = (
        teller.start("c5260aec-4d82-4370-9fdf-05cf908b3f16", "r1")
        + teller.tokens(["Hello", " fro"])
        + teller.keep_alive()
        + teller.tokens(["m ř"])
        + teller.turn_complete("Hello from ř")
        + teller.end(DOCUMENTS[:1], True, (11, 3))
    )
    assert told == (
        b'data: {"event": "start", "data": {"conversation_id": "c5260aec-4d82-4370-9fdf-05cf908b3f16", '
        b'"request_id": "r1"}}\n\n'
        b'data: {"event": "token", "data": {"id": 0, "token": "Hello"}}\n\n'
        b'data: {"event": "token", "data": {"id": 1, "token": " fro"}}\n\n'
        b": keep-alive\n\n"
        b'data: {"event": "token", "data": {"id": 2, "token": "m \\u0159"}}\n\n'
        b'data: {"event": "turn_complete", "data": {"id": 3, "token": "Hello from \\u0159"}}\n\n'
        b'data: {"event": "end", "data": {"referenced_documents": [{"doc_url": "https://example.com/a", '
        b'"doc_title": "A", "source": "a.md", "document_id": null}], "truncated": true, "input_tokens": 11, '
        b'"output_tokens": 3}, "available_quotas": {}}\n\n'
    )


def test_an_error_and_an_interruption() -> None:
    teller = events.teller("application/json")
    assert teller.error(errors.ProviderUnavailable()) == (
        b'data: {"event": "error", "data": {"status_code": 503, "response": "Unable to connect to the LLM provider", '
        b'"cause": "Connection error."}}\n\n'
    )
    assert teller.interrupted("r1") == b'data: {"event": "interrupted", "data": {"request_id": "r1"}}\n\n'


@given(st.lists(st.text(), min_size=1))
def test_any_text_is_one_line_of_json(tokens: list[str]) -> None:
    told = events.teller(None).tokens(tokens).split(b"\n\n")
    assert told.pop() == b""
    assert [json.loads(line.removeprefix(b"data: "))["data"]["token"] for line in told] == tokens


def test_bare_text() -> None:
    teller = events.teller("text/plain")
    silent = teller.start("c", "r") + teller.turn_complete("Hello") + teller.interrupted("r") + teller.keep_alive()
    assert silent == b""
    assert teller.tokens(["Hel", "lo ř"]) == "Hello ř".encode()
    assert teller.end(DOCUMENTS, False, (1, 2)) == (b"\n\n---\n\nA: https://example.com/a\nC: https://example.com/c")
    assert teller.end(DOCUMENTS[1:2], False, (1, 2)) == b""
    assert teller.error(errors.Internal()) == (
        b"Status: 500 - Internal server error - An unexpected error occurred while processing the request."
    )


@pytest.mark.parametrize(
    ("media_type", "content_type"),
    [
        (None, "text/event-stream; charset=utf-8"),
        ("application/json", "text/event-stream; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
    ],
)
def test_what_the_client_is_told_it_gets(media_type: str | None, content_type: str) -> None:
    assert events.teller(media_type).content_type == content_type

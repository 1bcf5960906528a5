"""A database that somebody keeps locked does not keep a stream from beginning."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import requests

from tests.fakes.application import provider
from tests.fakes.daemon import Stack
from tests.fakes.provider import FakeProvider

DEADLINE = 20
SOON = 5


def test_a_stream_begins_and_its_conversation_is_known_in_the_end(tmp_path: Path) -> None:
    with (
        FakeProvider() as fake,
        Stack(tmp_path, provider(fake.url)) as stack,
        closing(sqlite3.connect(tmp_path / "state" / "conversations.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        asked = {"query": "?"}
        with requests.post(f"{stack.url}/v1/streaming_query", json=asked, stream=True, timeout=DEADLINE) as told:
            lines = told.iter_lines()
            start = json.loads(next(lines).removeprefix(b"data: "))
            assert time.monotonic() - began < SOON
            other.execute("ROLLBACK")
            assert any(b'"end"' in line for line in lines)
        conversation = f"{stack.url}/v1/conversations/{start['data']['conversation_id']}"
        [turn] = requests.get(conversation, timeout=DEADLINE).json()["chat_history"]
        assert turn["messages"][1]["content"] == "Hello from fake"

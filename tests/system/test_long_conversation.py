"""A conversation that has grown long costs a worker no more memory than a few of its turns."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from lightspeed_stack.conversations import Conversations, Turn
from tests.fakes.daemon import Stack
from tests.test_costs import worker

DEADLINE = 60
TURNS, SIZE = 24, 4_000_000
MEBIBYTES = 100


def peak(pid: int) -> int:
    """The most memory that the process ever had, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) // 1024


def ask(stack: Stack, **more: Any) -> Any:
    answer = requests.post(f"{stack.url}/v1/query", json={"query": "How do I list services?", **more}, timeout=DEADLINE)
    assert answer.status_code == 200
    return answer.json()


def test_neither_reading_it_nor_going_on_with_it_takes_much(tmp_path: Path) -> None:
    overrides = {"service": {"workers": 1}, "user_data_collection": {"transcripts_enabled": False}}
    with Stack(tmp_path, overrides) as stack:
        conversation = {"conversation_id": ask(stack)["conversation_id"]}
        lengthen(f"sqlite:///{tmp_path}/state/conversations.db", conversation["conversation_id"])
        before = peak(worker(stack))
        assert ask(stack, **conversation)["truncated"]
        path = f"{stack.url}/v1/conversations/{conversation['conversation_id']}"
        with requests.get(path, stream=True, timeout=DEADLINE) as answer:
            size = sum(map(len, answer.iter_content(1 << 20)))
        assert size > TURNS * SIZE
        assert peak(worker(stack)) - before < MEBIBYTES


def lengthen(url: str, conversation_id: str) -> None:
    conversations = Conversations(url)
    known = conversations.get(conversation_id)
    assert known
    now = datetime.now(UTC)
    for _ in range(TURNS):
        assert conversations.go_on(conversation_id, known.user_id, Turn("x" * SIZE, "So.", "p", "m", now, now))
    conversations.close()

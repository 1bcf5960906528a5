"""What users and administrators decided about records holds: in every worker, over restarts, against other pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from tests.fakes.daemon import Stack

DEADLINE = 20
FEEDBACK = {"user_question": "q", "llm_response": "a", "sentiment": 1}


def enabled(stack: Stack) -> set[bool]:
    """What several connections are told, so that each worker is asked."""
    answers = [requests.get(f"{stack.url}/v1/feedback/status", timeout=DEADLINE).json() for _ in range(8)]
    return {answer["status"]["enabled"] for answer in answers}


def switch(stack: Stack, position: bool) -> None:
    requests.put(f"{stack.url}/v1/feedback/status", json={"status": position}, timeout=DEADLINE).raise_for_status()


def ask(stack: Stack, **more: Any) -> Any:
    answer = requests.post(f"{stack.url}/v1/query", json={"query": "How do I list services?", **more}, timeout=DEADLINE)
    assert answer.status_code == 200
    return answer.json()


def test_feedback_that_is_switched_off_in_the_configuration_is_off(tmp_path: Path) -> None:
    off = {"user_data_collection": {"feedback_enabled": False}}
    with Stack(tmp_path) as stack:
        switch(stack, False)
        switch(stack, True)
    with Stack(tmp_path, off) as stack:
        assert enabled(stack) == {False}
        rated = {**FEEDBACK, "conversation_id": ask(stack)["conversation_id"]}
        assert requests.post(f"{stack.url}/v1/feedback", json=rated, timeout=DEADLINE).status_code == 403
        switch(stack, True)
    with Stack(tmp_path, off) as stack:
        assert enabled(stack) == {True}
    with Stack(tmp_path) as stack:
        switch(stack, False)
    with Stack(tmp_path) as stack:
        assert enabled(stack) == {False}

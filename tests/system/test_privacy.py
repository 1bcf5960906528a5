"""What users and administrators decided about records holds: in every worker, over restarts, against other pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
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


PROXY = {"user_header": "X-Remote-User", "allowed_proxies": ["127.0.0.1"]}


@pytest.mark.parametrize(
    ("authentication", "headers"),
    [
        ({"module": "noop"}, {}),
        ({"module": "noop-with-token"}, {"Authorization": "Bearer x"}),
        ({"module": "trusted-proxy", "trusted_proxy_config": PROXY}, {"X-Remote-User": "alice"}),
    ],
    ids=lambda value: value.get("module", ""),
)
def test_a_page_of_another_origin_may_not_read_where_no_secret_is_checked(
    tmp_path: Path, authentication: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    with Stack(tmp_path, {"authentication": authentication}) as stack:
        conversations = f"{stack.url}/v1/conversations"
        page = {"Origin": "https://a.example", **headers}
        read = requests.get(conversations, headers=page, timeout=DEADLINE)
        assert (read.status_code, read.headers.get("access-control-allow-origin")) == (200, None)
        wish = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": ", ".join(headers)}
        assert requests.options(conversations, headers=page | wish, timeout=DEADLINE).status_code == 400

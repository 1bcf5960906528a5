"""An answer that takes longer than a daemon that stops may wait for it: it is cut short, and what was said is kept."""

from __future__ import annotations

import array
import fcntl
import json
import signal
import termios
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.application import provider
from tests.fakes.daemon import Stack, merged
from tests.fakes.provider import FakeProvider

DEADLINE = 20
FOR_EVER = "tokens-1000-0.1"


@contextmanager
def telling(folder: Path, behaviour: str, grace: int) -> Iterator[tuple[Stack, requests.Response]]:
    service = {"graceful_timeout_seconds": grace}
    with (
        FakeProvider(behaviour=behaviour) as fake,
        Stack(folder, merged(provider(fake.url, max_answer_bytes=1 << 30), {"service": service})) as stack,
        requests.post(f"{stack.url}/v1/streaming_query", json={"query": "?"}, stream=True, timeout=DEADLINE) as told,
    ):
        yield stack, told


def records(stack: Stack) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in stack.transcripts.glob("[!.]*.json")]


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGQUIT])
def test_it_is_interrupted(tmp_path: Path, stop: signal.Signals) -> None:
    with telling(tmp_path, FOR_EVER, grace=1) as (stack, told):
        lines = told.iter_lines()
        assert any(b'"token"' in line for line in lines)
        stack.signal(stop)
        rest = [line for line in lines if line]
        assert stack.wait() == 0
        assert b'"interrupted"' in rest[-1]
        [record] = records(stack)
        assert record["extensions"]["outcome"] == "interrupted"
        assert record["llm_response"]


def test_its_turn_is_remembered_and_a_reload_is_no_different(tmp_path: Path) -> None:
    with telling(tmp_path, FOR_EVER, grace=1) as (stack, told):
        lines = told.iter_lines()
        assert any(b'"token"' in line for line in lines)
        stack.signal(signal.SIGHUP)
        assert b'"interrupted"' in [line for line in lines if line][-1]
        [record] = records(stack)
        conversation = f"{stack.url}/v1/conversations/{record['metadata']['conversation_id']}"
        [turn] = requests.get(conversation, timeout=DEADLINE).json()["chat_history"]
        assert turn["messages"][1]["content"] == record["llm_response"]


def test_one_that_nobody_takes_is_recorded_too(tmp_path: Path) -> None:
    """What the client does not read fills every buffer, so the stream can't even be told that it ends."""
    with telling(tmp_path, "endless", grace=0) as (stack, told):
        lines = told.iter_lines()
        assert b'"start"' in next(lines)
        until(lambda: stuck(told))
        stack.signal(signal.SIGTERM)
        assert stack.wait() == 0
        [record] = records(stack)
        assert record["extensions"]["outcome"] in ("interrupted", "disconnected")
        assert "and so on" in record["llm_response"]


@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
def test_a_question_whose_scope_is_being_judged(tmp_path: Path, path: str) -> None:
    service = {"graceful_timeout_seconds": 1}
    judged = {"service": service, "query_validity": {"mode": "provider", "topic": "Linux"}}
    with (
        FakeProvider(behaviour="silent") as fake,
        Stack(tmp_path, merged(provider(fake.url), judged)) as stack,
        ThreadPoolExecutor() as threads,
    ):
        answer = threads.submit(requests.post, stack.url + path, json={"query": "?"}, timeout=DEADLINE)
        assert fake.wait_until(lambda fake: len(fake.asked) == 1)
        stack.signal(signal.SIGTERM)
        told = answer.result(DEADLINE)
        assert (told.status_code, told.headers["Retry-After"]) == (503, "1")
        [record] = records(stack)
        assert (record["redacted_query"], record["llm_response"]) == ("?", "")
        assert record["extensions"]["outcome"] == "interrupted"
        stack.wait_for(rf"POST {path} 503 .* outcome=interrupted")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP])
def test_a_question_that_waits_for_its_whole_answer(tmp_path: Path, stop: signal.Signals) -> None:
    with (
        FakeProvider(behaviour="silent") as fake,
        Stack(tmp_path, merged(provider(fake.url), {"service": {"graceful_timeout_seconds": 1}})) as stack,
        ThreadPoolExecutor() as threads,
    ):
        answer = threads.submit(requests.post, f"{stack.url}/v1/query", json={"query": "?"}, timeout=DEADLINE)
        assert fake.wait_until(lambda fake: len(fake.asked) == 1)
        stack.signal(stop)
        told = answer.result(DEADLINE)
        assert (told.status_code, told.headers["Retry-After"]) == (503, "1")
        assert told.json()["detail"]["cause"] == "The service is stopping."
        [record] = records(stack)
        assert (record["redacted_query"], record["llm_response"]) == ("?", "")
        assert record["extensions"]["outcome"] == "interrupted"
        stack.wait_for(r"POST /v1/query 503 .* outcome=interrupted")


def stuck(told: requests.Response) -> bool:
    """Whether no more has come for a while although nothing was read."""

    def waiting() -> int:
        count = array.array("i", [0])
        fcntl.ioctl(told.raw.fileno(), termios.FIONREAD, count)
        return count[0]

    before = waiting()
    time.sleep(0.3)
    return before > 0 and waiting() == before

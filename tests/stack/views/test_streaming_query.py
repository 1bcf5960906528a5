"""Answers told in pieces, through a real daemon with two workers and a provider that can do every wrong."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes import misbehaviours
from tests.fakes.daemon import Stack
from tests.fakes.provider import FakeProvider
from tests.fakes.tls import certificate

HELLO = [
    {"event": "token", "data": {"id": 0, "token": "Hello"}},
    {"event": "token", "data": {"id": 1, "token": " from"}},
    {"event": "token", "data": {"id": 2, "token": " fake"}},
]
COMPLETE = {"event": "turn_complete", "data": {"id": 3, "token": "Hello from fake"}}
GENERIC = "An unexpected error occurred while processing the request."
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def stack(fake: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    models = [*misbehaviours.BEHAVIOURS, "gpt-4o-mini", "tokens-5-0.1", "status-429", "status-500"]
    provider = {
        "name": "fake",
        "type": "openai",
        "base_url": fake.url,
        "models": models,
        "read_timeout_seconds": 2,
        "total_timeout_seconds": 3,
        "max_answer_bytes": 200_000,
    }
    overrides = {
        "inference": {"providers": [provider], "default_provider": "fake", "default_model": "gpt-4o-mini"},
        "service": {"keep_alive_comment_seconds": 1, "threads": 64},
        "query_validity": {"mode": "keywords", "keywords": ["linux"], "refusal": "That is not my trade."},
    }
    with Stack(tmp_path_factory.mktemp("stack"), overrides) as running:
        yield running


def ask(stack: Stack, model: str | None = None, **more: object) -> requests.Response:
    body = {"query": "Tell me about linux", **more}
    if model:
        body |= {"provider": "fake", "model": model}
    return requests.post(f"{stack.url}/v1/streaming_query", json=body, timeout=10)


def events(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200
    assert response.content.endswith(b"\n\n")
    lines = response.content.decode("ascii").removesuffix("\n\n").split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if not line.startswith(":")]


def transcripts(stack: Stack, conversation_id: str, count: int = 1, seconds: float = 5) -> list[dict[str, Any]]:
    """The records of a conversation, as soon as there are so many, or time is up."""
    until = time.monotonic() + seconds
    while True:
        found = sorted(stack.transcripts.glob(f"[!.]*_{conversation_id}_*.json"))
        if len(found) >= count or time.monotonic() > until:
            return [json.loads(file.read_text()) for file in found]
        time.sleep(0.01)


def test_a_whole_answer_byte_by_byte(stack: Stack) -> None:
    response = ask(stack)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    told = re.sub(UUID, "<uuid>", response.content.decode())
    assert told == (
        'data: {"event": "start", "data": {"conversation_id": "<uuid>", "request_id": "<uuid>"}}\n\n'
        'data: {"event": "token", "data": {"id": 0, "token": "Hello"}}\n\n'
        'data: {"event": "token", "data": {"id": 1, "token": " from"}}\n\n'
        'data: {"event": "token", "data": {"id": 2, "token": " fake"}}\n\n'
        'data: {"event": "turn_complete", "data": {"id": 3, "token": "Hello from fake"}}\n\n'
        'data: {"event": "end", "data": {"referenced_documents": [], "truncated": false, "input_tokens": 11, '
        '"output_tokens": 3}, "available_quotas": {}}\n\n'
    )


def test_without_v1_too(stack: Stack) -> None:
    assert requests.post(f"{stack.url}/streaming_query", json={"query": "linux?"}, timeout=10).status_code == 200


def test_the_transcript_is_there_before_the_end_is_told(stack: Stack) -> None:
    start = events(ask(stack))[0]["data"]
    [record] = transcripts(stack, start["conversation_id"], seconds=0)
    assert record["llm_response"] == "Hello from fake"
    assert record["redacted_query"] == "Tell me about linux"
    assert (record["metadata"]["provider"], record["metadata"]["model"]) == ("fake", "gpt-4o-mini")
    assert record["extensions"]["outcome"] == "complete"
    assert (record["extensions"]["input_tokens"], record["extensions"]["output_tokens"]) == (11, 3)


def test_bare_text(stack: Stack) -> None:
    response = ask(stack, media_type="text/plain")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.content == b"Hello from fake"


def test_bare_text_of_an_error(stack: Stack) -> None:
    assert ask(stack, "status-500", media_type="text/plain").text == f"Status: 500 - Internal server error - {GENERIC}"


def test_a_question_that_is_out_of_scope(stack: Stack, fake: FakeProvider) -> None:
    before = len(fake.asked)
    told = events(ask(stack, query="Will it rain?"))
    assert [event["event"] for event in told] == ["start", "token", "turn_complete", "end"]
    assert told[2]["data"]["token"] == "That is not my trade."
    assert len(fake.asked) == before
    [record] = transcripts(stack, told[0]["data"]["conversation_id"])
    assert (record["query_is_valid"], record["llm_response"]) == (False, "That is not my trade.")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b'{"query": 1}', 422),
        (b'{"query": "linux", "media_type": "text/html"}', 422),
        (b'{"query": "linux", "provider": "fake", "model": "none"}', 404),
        (b'{"query": "linux", "conversation_id": "c5260aec-4d82-4370-9fdf-05cf908b3f16"}', 404),
    ],
)
def test_what_is_wrong_before_the_start_is_an_http_error(stack: Stack, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    response = requests.post(f"{stack.url}/v1/streaming_query", body, headers=headers, timeout=10)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("model", "status", "response"),
    [
        ("status-500", 500, "Internal server error"),
        ("status-429", 429, "The model quota has been exceeded"),
        ("slow-error", 429, "The model quota has been exceeded"),
        ("context-length", 413, "Prompt is too long"),
        ("no-model", 404, "Model not found"),
        ("close-at-once", 503, "Unable to connect to the LLM provider"),
        ("html", 500, "Internal server error"),
        ("not-http", 500, "Internal server error"),
        ("empty", 500, "Internal server error"),
    ],
)
def test_a_failure_before_the_first_token(stack: Stack, model: str, status: int, response: str) -> None:
    start, error = events(ask(stack, model))
    assert start["event"] == "start"
    assert error["event"] == "error"
    assert list(error["data"]) == ["status_code", "response", "cause"]
    assert (error["data"]["status_code"], error["data"]["response"]) == (status, response)
    assert transcripts(stack, start["data"]["conversation_id"], seconds=0) == []


@pytest.mark.parametrize(
    ("model", "status", "response"),
    [
        ("close-after-tokens", 500, "Error while processing query"),
        ("reset-after-tokens", 500, "Error while processing query"),
        ("error-after-tokens", 500, "Error while processing query"),
        ("nonsense-after-tokens", 500, "Error while processing query"),
        ("bad-chunk-after-tokens", 500, "Error while processing query"),
        ("silent-after-tokens", 500, "Error while processing query"),
        ("limit-after-tokens", 429, "The model quota has been exceeded"),
    ],
)
def test_a_failure_after_some_tokens(stack: Stack, model: str, status: int, response: str) -> None:
    start, *told, error, end = events(ask(stack, model))
    assert told == [*HELLO, COMPLETE]
    assert error["event"] == "error"
    assert (error["data"]["status_code"], error["data"]["response"]) == (status, response)
    assert end["event"] == "end"
    [record] = transcripts(stack, start["data"]["conversation_id"], seconds=0)
    assert (record["llm_response"], record["extensions"]["outcome"]) == ("Hello from fake", "failed")


def test_an_answer_is_measured_by_its_text(stack: Stack) -> None:
    *_, last = told = events(ask(stack, "verbose"))
    assert last["event"] == "end"
    assert sum(each["event"] == "token" for each in told) == 2000


@pytest.mark.parametrize("model", ["endless", "slow"])
def test_an_answer_that_never_ends_is_ended(stack: Stack, model: str) -> None:
    *_, error, end = events(ask(stack, model))
    assert (error["event"], end["event"]) == ("error", "end")


@pytest.mark.parametrize(
    "model", ["bytewise", "gzip", "no-done", "odd-lines", "to-the-end", "one-chunk", "lingering", "slow-json"]
)
def test_odd_streams_are_told_whole(stack: Stack, model: str) -> None:
    start, *tokens, complete, end = events(ask(stack, model))
    assert (start["event"], complete["event"], end["event"]) == ("start", "turn_complete", "end")
    assert "".join(event["data"]["token"] for event in tokens) == complete["data"]["token"]
    assert [event["data"]["id"] for event in (*tokens, complete)] == list(range(len(tokens) + 1))


class Reader:
    """One request on a plain socket, read as it comes."""

    def __init__(self, stack: Stack, model: str, version: str = "1.1", **more: object) -> None:
        body = json.dumps({"query": "Tell me about linux", "provider": "fake", "model": model, **more}).encode()
        head = f"POST /v1/streaming_query HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.sock = socket.create_connection(("127.0.0.1", int(stack.url.rpartition(":")[2])), 10)
        self.sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.data = b""

    def until(self, text: bytes) -> bytes:
        while text not in self.data:
            data = self.sock.recv(65536)
            assert data, self.data
            self.data += data
        return self.data

    @property
    def start(self) -> dict[str, str]:
        line = next(line for line in self.until(b'"}}\n\n').splitlines() if line.startswith(b"data: "))
        data: dict[str, str] = json.loads(line.removeprefix(b"data: "))["data"]
        return data

    def hang_up(self) -> None:
        self.sock.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def test_each_token_is_told_when_it_comes(stack: Stack) -> None:
    """Those that follow may never come."""
    with Reader(stack, "silent-after-tokens") as reader:
        for token in (b"Hello", b" from", b" fake"):
            reader.until(token)
        assert b"turn_complete" not in reader.data


def test_comments_keep_a_silent_connection_alive(stack: Stack) -> None:
    with Reader(stack, "silent-after-tokens") as reader:
        began = time.monotonic()
        reader.until(b": keep-alive\n\n")
        assert time.monotonic() - began > 0.9


def test_no_comments_in_bare_text(stack: Stack) -> None:
    response = ask(stack, "silent-after-tokens", media_type="text/plain")
    assert response.text == f"Hello from fakeStatus: 500 - Error while processing query - {GENERIC}"


@pytest.mark.parametrize("model", ["silent", "silent-after-head", "silent-after-tokens", "slow"])
def test_a_client_that_hangs_up_is_noticed_at_once(stack: Stack, fake: FakeProvider, model: str) -> None:
    hung_up = fake.hung_up
    with Reader(stack, model) as reader:
        conversation_id = reader.start["conversation_id"]
        heard = {"silent-after-tokens": "Hello from fake", "slow": "x"}.get(model, "")
        assert fake.wait_until(lambda fake: [request.model for request in fake.asked[-1:]] == [model])
        reader.until(b'"start"' if not heard else heard.split()[-1].encode() + b'"}}')
        reader.hang_up()
        began = time.monotonic()
        assert fake.wait_until(lambda fake: fake.hung_up > hung_up)
        [record] = transcripts(stack, conversation_id)
        assert time.monotonic() - began < 1
        assert record["llm_response"].startswith(heard)
        assert record["extensions"]["outcome"] == "disconnected"


def test_an_answer_for_http_1_0(stack: Stack) -> None:
    with Reader(stack, "tokens-5-0.1", version="1.0") as reader:
        reader.until(b'"event": "end"')
        while data := reader.sock.recv(65536):
            reader.data += data
    head, _, body = reader.data.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"data: ")
    assert body.endswith(b'"available_quotas": {}}\n\n')
    assert body.count(b"data: ") == 8


def test_over_tls(fake: FakeProvider, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    tls = {"tls_certificate_path": str(pem), "tls_key_path": str(pem)}
    provider = {"name": "fake", "type": "openai", "base_url": fake.url, "models": ["tokens-5-0.1", "slow"]}
    overrides = {"service": {"tls_config": tls}, "inference": {"providers": [provider]}}
    with Stack(tmp_path / "stack", overrides) as stack, requests.Session() as session:
        assert stack.url.startswith("https:")
        session.trust_env, session.verify = False, str(pem)
        url = f"{stack.url}/v1/streaming_query"
        assert [event["event"] for event in events(session.post(url, json={"query": "linux"}, timeout=10))] == [
            "start",
            *["token"] * 5,
            "turn_complete",
            "end",
        ]
        hung_up = fake.hung_up
        slow = session.post(url, json={"query": "q", "provider": "fake", "model": "slow"}, timeout=10, stream=True)
        assert next(slow.iter_lines()).startswith(b'data: {"event": "start"')
        slow.close()
        assert fake.wait_until(lambda fake: fake.hung_up > hung_up, 1)


def test_a_client_that_ends_its_part_after_its_question(stack: Stack) -> None:
    with Reader(stack, "tokens-5-0.1") as reader:
        reader.sock.shutdown(socket.SHUT_WR)
        assert b'"token": "word4 "' in reader.until(b'"event": "end"')


def test_two_questions_on_one_connection(stack: Stack) -> None:
    with requests.Session() as session:
        for model in ("tokens-5-0.1", "gpt-4o-mini"):
            body = {"query": "linux", "provider": "fake", "model": model}
            told = events(session.post(f"{stack.url}/v1/streaming_query", json=body, timeout=10))
            assert told[-1]["event"] == "end"


def test_a_client_that_does_not_read_holds_up_only_itself(stack: Stack, fake: FakeProvider) -> None:
    with Reader(stack, "endless") as deaf:
        deaf.until(b"and so on")
        assert events(ask(stack))[-1]["event"] == "end"
        data = deaf.until(b'"event": "end"')
    assert b'"event": "error"' in data


def workers(stack: Stack) -> list[int]:
    pid = stack.popen.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def held(stack: Stack) -> list[int]:
    """How many descriptors and threads the workers have."""
    return [len(os.listdir(f"/proc/{pid}/{what}")) for pid in workers(stack) for what in ("fd", "task")]


def comes_true(said: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not said():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def test_nothing_is_left_behind(stack: Stack) -> None:
    ways: list[Callable[[], object]] = [
        lambda: ask(stack, "close-after-tokens"),
        lambda: ask(stack, "not-http"),
        lambda: ask(stack, "endless"),
        lambda: hang_up(stack, "silent"),
        lambda: hang_up(stack, "slow"),
    ]

    def go_every_way() -> None:
        for way in ways * 8:
            way()

    before: list[int] = []

    def is_at_rest() -> bool:
        before[:], earlier = held(stack), list(before)
        return before == earlier

    def is_no_more() -> bool:
        return all(now <= then + 3 for now, then in zip(held(stack), before, strict=True))

    go_every_way()
    assert comes_true(is_at_rest)
    go_every_way()
    assert comes_true(is_no_more), (before, held(stack))


def hang_up(stack: Stack, model: str) -> None:
    with Reader(stack, model) as reader:
        assert reader.start


def test_what_the_metrics_say(stack: Stack) -> None:
    def counted() -> dict[str, float]:
        text = requests.get(f"{stack.url}/metrics", timeout=10).text
        return {name: float(value) for name, value in re.findall(r"^(\S+\{.*\}) (\S+)$", text, re.M)}

    before = counted()
    ask(stack, "gpt-4o-mini")
    ask(stack, "close-after-tokens")
    after = counted()

    def added(name: str, model: str) -> float:
        series = f'{name}{{endpoint="/v1/streaming_query",model="{model}",provider="fake"}}'
        return after.get(series, 0) - before.get(series, 0)

    assert added("ls_llm_calls_total", "gpt-4o-mini") == 1
    assert added("ls_llm_calls_failures_total", "gpt-4o-mini") == 0
    assert added("ls_llm_calls_failures_total", "close-after-tokens") == 1
    assert added("ls_llm_token_sent_total", "gpt-4o-mini") == 11
    assert added("ls_llm_token_received_total", "gpt-4o-mini") == 3

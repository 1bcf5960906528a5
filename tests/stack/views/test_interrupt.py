"""Stopping an answer that is being told, whichever worker tells it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fakes.daemon import Stack
from tests.fakes.provider import FakeProvider
from tests.stack.views.test_streaming_query import Reader, ask, events, transcripts

STOPPED = "\n\n*Response stopped by the user.*"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def stack(fake: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    provider = {"name": "fake", "type": "openai", "base_url": fake.url}
    overrides = {"inference": {"providers": [provider]}, "service": {"threads": 64}}
    with Stack(tmp_path_factory.mktemp("stack"), overrides) as running:
        yield running


def interrupt(stack: Stack, request_id: str, user: str | None = None) -> requests.Response:
    """On a connection of its own, so that any worker may get it."""
    url = f"{stack.url}/v1/streaming_query/interrupt"
    return requests.post(url, json={"request_id": request_id}, params={"user_id": user} if user else {}, timeout=10)


def told(reader: Reader) -> list[dict[str, Any]]:
    lines = reader.until(b"\r\n0\r\n\r\n").split(b"\n\n")
    return [json.loads(line[line.index(b"data: ") + 6 :]) for line in lines if b"data: " in line]


@pytest.mark.parametrize("model", ["silent-after-tokens", "silent-after-head", "silent", "slow"])
def test_an_answer_is_stopped(stack: Stack, fake: FakeProvider, model: str) -> None:
    hung_up = fake.hung_up
    with Reader(stack, model) as reader:
        start = reader.start
        assert fake.wait_until(lambda fake: [request.model for request in fake.asked[-1:]] == [model])
        said = {"silent-after-tokens": "Hello from fake", "slow": "x"}.get(model, "")
        reader.until(b'"start"' if not said else said.split()[-1].encode() + b'"}}')
        response = interrupt(stack, start["request_id"])
        assert response.status_code == 200
        assert response.json() == {
            "request_id": start["request_id"],
            "interrupted": True,
            "message": "Streaming request interrupted",
        }
        *_, last, interrupted = told(reader)
    assert (last["event"], last["data"]["token"]) == ("token", STOPPED)
    assert interrupted == {"event": "interrupted", "data": {"request_id": start["request_id"]}}
    assert fake.wait_until(lambda fake: fake.hung_up > hung_up)
    [record] = transcripts(stack, start["conversation_id"])
    assert record["llm_response"].startswith(said)
    assert record["llm_response"].endswith(STOPPED)
    assert record["extensions"]["outcome"] == "interrupted"


def test_whichever_worker_is_asked(stack: Stack) -> None:
    readers = [Reader(stack, "slow") for _ in range(12)]
    answers = [interrupt(stack, reader.start["request_id"]).json()["interrupted"] for reader in readers]
    assert answers == [True] * len(readers)
    for reader in readers:
        with reader:
            reader.until(b'"event": "interrupted"')


def test_a_finished_answer_can_not_be_stopped(stack: Stack) -> None:
    start, *_, end = events(ask(stack, "ok"))
    assert end["event"] == "end"
    for _ in range(6):
        response = interrupt(stack, start["data"]["request_id"])
        assert response.status_code == 200
        assert response.json() == {
            "request_id": start["data"]["request_id"],
            "interrupted": False,
            "message": "Streaming request already completed; nothing to interrupt",
        }


def test_an_answer_that_never_was(stack: Stack) -> None:
    unknown = str(uuid.uuid4())
    response = interrupt(stack, unknown)
    assert response.status_code == 404
    assert response.json() == {
        "detail": {
            "response": "Streaming Request not found",
            "cause": f"Streaming Request with ID {unknown} does not exist",
        }
    }


def test_somebody_elses_answer(stack: Stack) -> None:
    with Reader(stack, "silent-after-tokens") as reader:
        request_id = reader.start["request_id"]
        for _ in range(6):
            response = interrupt(stack, request_id, "bob")
            assert response.status_code == 403
            assert response.json() == {
                "detail": {
                    "response": "User does not have permission to interrupt this streaming request",
                    "cause": f"User bob does not own streaming request with ID {request_id}",
                }
            }
        assert interrupt(stack, request_id).json()["interrupted"] is True


@pytest.mark.parametrize("body", [{}, {"request_id": 1}, {"request_id": "x"}, {"request_id": None}, []])
def test_a_body_that_names_no_request(stack: Stack, body: object) -> None:
    response = requests.post(f"{stack.url}/v1/streaming_query/interrupt", json=body, timeout=10)
    assert response.status_code == 422

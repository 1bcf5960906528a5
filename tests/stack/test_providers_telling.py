"""Answers as they are told, by good servers and odd ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from lightspeed_stack.providers.openai import OpenAI
from tests.fakes.provider import FakeProvider
from tests.fakes.providers import HI, settings, told


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def test_an_answer_in_pieces(fake: FakeProvider) -> None:
    stream = OpenAI(settings(fake.url)).stream(HI, "gpt-4o-mini")
    assert [token for tokens in stream for token in tokens] == ["Hello", " from", " fake"]
    assert (stream.usage, stream.chunks) == ((11, 3), ())
    assert fake.requests[0].body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("model", ["to-the-end", "silent-after-tokens"])
def test_the_first_token_does_not_wait_for_the_last(fake: FakeProvider, model: str) -> None:
    stream = OpenAI(settings(fake.url)).stream(HI, model)
    first = next(tokens for tokens in stream if tokens)
    assert first[0] == "Hello"
    stream.close()


@pytest.mark.parametrize(
    ("model", "text", "usage"),
    [
        ("bytewise", "žluťoučký 🐎", (0, 0)),
        ("surrogates", "🐎 and \ufffd", (0, 0)),
        ("gzip", "Hello from fake", (11, 3)),
        ("deflate", "Hello from fake", (11, 3)),
        ("no-done", "Hello from fake", (0, 0)),
        ("no-done-no-stop", "Hello from fake", (0, 0)),
        ("close-after-stop", "Hello from fake", (0, 0)),
        ("no-usage", "Hello from fake", (0, 0)),
        ("usage-with-stop", "Hello from fake", (11, 3)),
        ("reject-usage", "Hello from fake", (0, 0)),
        ("one-chunk", "Hello from fake", (11, 3)),
        ("odd-lines", "Hello from fake", (0, 0)),
        ("tools", "Hello from fake", (11, 3)),
        ("nulls", "Hello from fake", (11, 3)),
        ("empty-stream", "", (0, 0)),
        ("to-the-end", "Hello from fake", (11, 3)),
        ("invalid-utf8", "a\ufffdb", (0, 0)),
        ("plain-json", "Hello from fake", (11, 3)),
        ("slow-json", "Hello from fake", (11, 3)),
        ("continue", "Hello from fake", (11, 3)),
        ("null-content", "", (0, 0)),
        ("odd-usage", "Hello", (0, 0)),
        ("lingering", "Hello from fake", (11, 3)),
    ],
)
def test_streams_that_are_odd_but_whole(fake: FakeProvider, model: str, text: str, usage: tuple[int, int]) -> None:
    stream = OpenAI(settings(fake.url)).stream(HI, model)
    assert "".join(token for tokens in stream for token in tokens) == text
    assert stream.usage == usage


@pytest.mark.parametrize(
    ("model", "status"),
    [
        ("close-after-tokens", 500),
        ("reset-after-tokens", 500),
        ("error-after-tokens", 500),
        ("limit-after-tokens", 429),
        ("nonsense-after-tokens", 500),
        ("html-after-tokens", 500),
        ("bad-chunk-after-tokens", 500),
        ("to-the-end-no-stop", 500),
    ],
)
def test_failures_after_some_tokens(fake: FakeProvider, model: str, status: int) -> None:
    text, error = told(OpenAI(settings(fake.url)), model)
    assert error is not None
    assert (text, error.status) == ("Hello from fake", status)


@pytest.mark.parametrize("model", ["comments-only", "blank-json"])
def test_who_asks_gets_a_turn_though_what_comes_is_no_text(fake: FakeProvider, model: str) -> None:
    pieces = iter(OpenAI(settings(fake.url)).stream(HI, model))
    assert [next(pieces) for _ in range(3)] == [()] * 3


def test_a_server_that_talks_on_after_its_end_is_let_go(fake: FakeProvider) -> None:
    started = time.monotonic()
    provider = OpenAI(settings(fake.url, read_timeout_seconds=60, total_timeout_seconds=60))
    assert told(provider, "talks-on") == ("Hello from fake", None)
    assert time.monotonic() - started < 30
    assert fake.wait_until(lambda fake: fake.hung_up == 1)


def test_a_server_is_found_out_once_not_to_know_stream_options(fake: FakeProvider) -> None:
    provider = OpenAI(settings(fake.url))
    for _ in range(2):
        assert told(provider, "reject-usage") == ("Hello from fake", None)
    assert ["stream_options" in request.body for request in fake.requests] == [True, False, False]


def test_a_question_that_is_wrong_anyway_changes_nothing(fake: FakeProvider) -> None:
    provider = OpenAI(settings(fake.url))
    told(provider, "status-400")
    told(provider, "ok")
    assert ["stream_options" in request.body for request in fake.requests] == [True, False, True]


def test_a_closed_stream_just_ends_and_the_provider_is_let_go(fake: FakeProvider) -> None:
    stream = OpenAI(settings(fake.url, read_timeout_seconds=60, total_timeout_seconds=60)).stream(
        HI, "silent-after-tokens"
    )
    threading.Timer(0.2, stream.close).start()
    started = time.monotonic()
    assert "".join(token for tokens in stream for token in tokens) == "Hello from fake"
    assert time.monotonic() - started < 10
    assert fake.wait_until(lambda fake: fake.hung_up == 1)
    assert fake.wait_until(lambda fake: fake.connections == 0)


def test_a_stream_that_is_closed_first_asks_nobody(fake: FakeProvider) -> None:
    stream = OpenAI(settings(fake.url)).stream(HI, "ok")
    stream.close()
    assert list(stream) == []
    assert fake.accepted == 0


def test_a_stream_that_is_dropped_lets_the_provider_go(fake: FakeProvider) -> None:
    for tokens in OpenAI(settings(fake.url)).stream(HI, "slow"):
        if tokens:
            break
    assert fake.wait_until(lambda fake: fake.hung_up == 1)

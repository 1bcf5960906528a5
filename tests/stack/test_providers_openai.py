"""Asking a chat-completions server, a good one and every bad one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightspeed_stack import errors
from lightspeed_stack.calls import Calls
from lightspeed_stack.daemon.config import ConfigError
from lightspeed_stack.daemon.schema import Secret
from lightspeed_stack.providers.base import Answer, Model
from lightspeed_stack.providers.openai import FAILURE_SECONDS, OpenAI
from tests.fakes.provider import FakeProvider
from tests.fakes.providers import HI, settings, told

GENERIC = "An unexpected error occurred while processing the request."
NOT_IN_TIME = "The LLM provider did not answer in time."


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def test_an_answer_in_one_piece(fake: FakeProvider) -> None:
    assert OpenAI(settings(fake.url)).ask(HI, "gpt-4o-mini") == Answer("Hello from fake", 11, 3)
    assert fake.requests[0].body == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "You are a helpful assistant"}, {"role": "user", "content": "hi"}],
        "stream": False,
    }


@pytest.mark.parametrize("model", ["gzip", "deflate", "continue", "ok", "reject-usage"])
def test_answers_that_are_odd_but_whole(fake: FakeProvider, model: str) -> None:
    assert OpenAI(settings(fake.url)).ask(HI, model) == Answer("Hello from fake", 11, 3)


BOTH_WAYS = [
    ("status-500", 500, "Internal server error", GENERIC),
    ("status-503", 500, "Internal server error", GENERIC),
    ("status-400", 500, "Internal server error", GENERIC),
    ("status-401", 500, "Internal server error", GENERIC),
    ("status-403", 500, "Internal server error", GENERIC),
    ("status-404", 500, "Internal server error", GENERIC),
    ("no-model", 404, "Model not found", "Model with ID no-model does not exist"),
    (
        "status-413",
        413,
        "Prompt is too long",
        "The input exceeds the context window size of model 'openai/status-413'.",
    ),
    (
        "context-length",
        413,
        "Prompt is too long",
        "The input exceeds the context window size of model 'openai/context-length'.",
    ),
    (
        "status-429",
        429,
        "The model quota has been exceeded",
        "The token quota for model openai/status-429 has been exceeded.",
    ),
    (
        "resource-exhausted",
        429,
        "The model quota has been exceeded",
        "The token quota for model openai/resource-exhausted has been exceeded.",
    ),
    (
        "slow-error",
        429,
        "The model quota has been exceeded",
        "The token quota for model openai/slow-error has been exceeded.",
    ),
    ("plain-text-error", 500, "Internal server error", GENERIC),
    ("redirect", 500, "Internal server error", GENERIC),
    ("html", 500, "Internal server error", GENERIC),
    ("not-json", 500, "Internal server error", GENERIC),
    ("json-error", 500, "Internal server error", GENERIC),
    ("wrong-shape", 500, "Internal server error", GENERIC),
    ("list", 500, "Internal server error", GENERIC),
    ("no-choices", 500, "Internal server error", GENERIC),
    ("empty", 500, "Internal server error", GENERIC),
    ("truncated", 500, "Internal server error", GENERIC),
    ("not-http", 500, "Internal server error", GENERIC),
    ("bad-gzip", 500, "Internal server error", GENERIC),
    ("brotli", 500, "Internal server error", GENERIC),
    ("bomb", 500, "Internal server error", GENERIC),
    ("long-line", 500, "Internal server error", GENERIC),
    ("endless-headers", 500, "Internal server error", GENERIC),
    ("close-at-once", 503, "Unable to connect to the LLM provider", "Connection error."),
    ("reset-at-once", 503, "Unable to connect to the LLM provider", "Connection error."),
]


@pytest.mark.parametrize(("model", "status", "response", "cause"), BOTH_WAYS)
def test_failures_of_an_answer(fake: FakeProvider, model: str, status: int, response: str, cause: str) -> None:
    with pytest.raises(errors.Error) as caught:
        OpenAI(settings(fake.url)).ask(HI, model)
    assert (caught.value.status, caught.value.response, caught.value.cause) == (status, response, cause)


@pytest.mark.parametrize(("model", "status", "response", "cause"), BOTH_WAYS)
def test_failures_before_the_first_token(
    fake: FakeProvider, model: str, status: int, response: str, cause: str
) -> None:
    text, error = told(OpenAI(settings(fake.url)), model)
    assert error is not None
    assert (text, error.status, error.response, error.cause) == ("", status, response, cause)


@pytest.mark.parametrize("model", ["silent", "silent-after-head", "silent-after-tokens"])
def test_silence_has_a_deadline(fake: FakeProvider, model: str) -> None:
    provider = OpenAI(settings(fake.url, read_timeout_seconds=0.2))
    _, error = told(provider, model)
    assert error is not None
    assert (error.status, error.cause) == (503, NOT_IN_TIME)
    with pytest.raises(errors.ProviderUnavailable):
        provider.ask(HI, model)


def test_who_waits_for_a_whole_answer_lets_the_server_be_silent(fake: FakeProvider) -> None:
    provider = OpenAI(settings(fake.url, read_timeout_seconds=0.2))
    with Calls().begin() as call:
        assert provider.ask(HI, "thinking", call).text == "Hello from fake"
    provider = OpenAI(settings(fake.url, total_timeout_seconds=0.3))
    with Calls().begin() as call, pytest.raises(errors.ProviderUnavailable, match=NOT_IN_TIME):
        provider.ask(HI, "thinking", call)


def test_a_wait_that_is_cut_short(fake: FakeProvider) -> None:
    calls = Calls()
    threading.Timer(0.2, calls.cut_short).start()
    with calls.begin() as call, pytest.raises(errors.Stopping):
        OpenAI(settings(fake.url)).ask(HI, "silent", call)
    assert fake.wait_until(lambda fake: fake.connections == 0)


@pytest.mark.parametrize("model", ["slow", "comments-only", "drip-headers"])
def test_an_answer_that_is_never_silent_has_a_deadline_too(fake: FakeProvider, model: str) -> None:
    provider = OpenAI(settings(fake.url, total_timeout_seconds=0.4))
    _, error = told(provider, model)
    assert error is not None
    assert (error.status, error.cause) == (503, NOT_IN_TIME)
    with pytest.raises(errors.ProviderUnavailable):
        provider.ask(HI, model)


def test_an_answer_without_end_is_cut_off(fake: FakeProvider) -> None:
    provider = OpenAI(settings(fake.url, max_answer_bytes=100_000))
    text, error = told(provider, "endless")
    assert isinstance(error, errors.ProviderFailed)
    assert 99_000 < len(text) <= 100_000
    with pytest.raises(errors.ProviderFailed):
        provider.ask(HI, "endless")


def test_nobody_there() -> None:
    provider = OpenAI(settings("http://127.0.0.1:9/v1"))
    with pytest.raises(errors.ProviderUnavailable, match="Connection error"):
        provider.ask(HI, "m")
    assert isinstance(told(provider, "m")[1], errors.ProviderUnavailable)
    assert provider.health() == "Connection error: 127.0.0.1:9: Connection refused"


def test_health_names_no_file(tmp_path: Path) -> None:
    provider = OpenAI(settings("http://127.0.0.1:9/v1", api_key_file=tmp_path / "gone"))
    assert provider.health() == "Its API key can't be read"


def test_no_such_name() -> None:
    with pytest.raises(errors.ProviderUnavailable):
        OpenAI(settings("http://name.invalid/v1")).ask(HI, "m")


def test_retry_after_is_passed_on(fake: FakeProvider) -> None:
    with pytest.raises(errors.QuotaExceeded) as caught:
        OpenAI(settings(fake.url)).ask(HI, "retry-later")
    assert caught.value.headers == {"Retry-After": "17"}


def test_no_secret_and_no_text_is_logged(fake: FakeProvider, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    provider = OpenAI(settings(fake.url, api_key=Secret("sk-key"), headers={"X-Other": Secret("sk-other")}))
    for model in ("plain-text-error", "error-after-tokens", "status-401", "not-http"):
        assert told(provider, model)[1] is not None
    assert "sk-" not in caplog.text
    assert "the engine died" not in caplog.text
    assert "provider openai, model status-401: it does not accept the API key (status 401)" in caplog.text


def test_the_configured_models_are_not_asked_for(fake: FakeProvider) -> None:
    provider = OpenAI(settings(fake.url, models=("a", "b"), context_window=4096))
    assert provider.models() == (Model("openai", "a", 4096), Model("openai", "b", 4096))
    assert fake.requests == []


def test_the_servers_models_are_asked_for_once_in_a_while(fake: FakeProvider) -> None:
    fake.models = ("x", "y")
    provider = OpenAI(settings(fake.url))
    for _ in range(3):
        assert [model.identifier for model in provider.models()] == ["openai/x", "openai/y"]
    assert len(fake.requests) == 1


@pytest.mark.parametrize("behaviour", ["status-500", "html", "silent", "close-at-once", "endless"])
def test_models_that_can_not_be_listed(fake: FakeProvider, behaviour: str) -> None:
    fake.models_behaviour = behaviour
    with pytest.raises(errors.Error):
        OpenAI(settings(fake.url, connect_timeout_seconds=0.3)).models()


def test_who_waits_for_the_list_together_fails_together(fake: FakeProvider) -> None:
    fake.models_behaviour = "silent"
    provider = OpenAI(settings(fake.url, connect_timeout_seconds=0.5))
    began = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(provider.models) for _ in range(4)]
    assert all(isinstance(one.exception(), errors.ProviderUnavailable) for one in waiting)
    assert time.monotonic() - began < 0.9
    assert len(fake.requests) == 1
    fake.models_behaviour = "ok"
    time.sleep(FAILURE_SECONDS)  # the server is not asked sooner
    assert provider.models()


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("ok", None),
        ("status-404", None),
        ("html", None),
        ("status-401", "It does not accept the API key"),
        ("status-503", "It answers with status 503"),
        ("silent", "Connection error: no answer in time"),
        ("close-at-once", "Connection error: the connection was closed without an answer"),
    ],
)
def test_health(fake: FakeProvider, behaviour: str, message: str | None) -> None:
    fake.models_behaviour = behaviour
    assert OpenAI(settings(fake.url, connect_timeout_seconds=0.3)).health() == message


def test_settings_of_no_use(tmp_path: Path) -> None:
    for changes in (
        {"base_url": "https://"},
        {"base_url": "http://host:port/"},
        {"headers": {"X-A\r\nB": Secret("x")}},
        {"headers": {"X-A": Secret("x\r\nX-B: y")}},
        {"base_url": "https://127.0.0.1/", "ca_bundle": tmp_path / "none.pem"},
    ):
        with pytest.raises(ConfigError, match=r"inference.providers \(openai\): "):
            OpenAI(settings(**{"base_url": "http://127.0.0.1:9/v1", **changes}))

"""What only a real server shows: two workers that agree, a queue that is full, clients that dawdle, bodies too large."""

from __future__ import annotations

import base64
import json
import re
import selectors
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from tests.fakes.application import provider
from tests.fakes.daemon import Stack, merged
from tests.fakes.provider import MODELS, FakeProvider

DEADLINE = 20


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    with FakeProvider(models=(*MODELS, "tokens-1000-0.1")) as running:
        yield running


@pytest.fixture(scope="module")
def stack(fake: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    overrides = {"service": {"max_request_bytes": 100_000, "threads": 16}}
    with Stack(tmp_path_factory.mktemp("stack"), merged(provider(fake.url), overrides)) as running:
        yield running


STREAM = "/v1/streaming_query"


def get(stack: Stack, path: str, **more: Any) -> requests.Response:
    """On a connection of its own, so that any worker may answer."""
    return requests.get(stack.url + path, timeout=DEADLINE, **more)


def connect(stack: Stack) -> socket.socket:
    address = urlsplit(stack.url)
    return socket.create_connection((address.hostname or "", address.port or 0), DEADLINE)


def received(sock: socket.socket) -> bytes:
    """One answer of known length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    assert found
    while len(body) < int(found[1]):
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline


class TestWorkersAgree:
    def test_about_the_feedback_switch_at_once(self, stack: Stack) -> None:
        for wanted in (False, True):
            requests.put(f"{stack.url}/v1/feedback/status", json={"status": wanted}, timeout=DEADLINE)
            told = [get(stack, "/v1/feedback/status").json()["status"]["enabled"] for _ in range(20)]
            assert told == [wanted] * 20

    def test_about_who_opted_out_at_once(self, stack: Stack) -> None:
        for wanted in (False, True):
            requests.put(f"{stack.url}/v1/me/data-collection", json={"enabled": wanted}, timeout=DEADLINE)
            assert {get(stack, "/v1/me/data-collection").json()["enabled"] for _ in range(20)} == {wanted}

    def test_about_conversations(self, stack: Stack) -> None:
        identity = requests.post(f"{stack.url}/v1/query", json={"query": "hi"}, timeout=DEADLINE).json()[
            "conversation_id"
        ]
        assert {get(stack, f"/v1/conversations/{identity}").status_code for _ in range(10)} == {200}

    def test_about_metrics(self, stack: Stack) -> None:
        for _ in range(20):
            get(stack, "/v1/info")
        counts = {
            line
            for _ in range(10)
            for line in get(stack, "/metrics").text.splitlines()
            if line.startswith('ls_rest_api_calls_total{path="/v1/info",status_code="200"}')
        }
        assert counts == {'ls_rest_api_calls_total{path="/v1/info",status_code="200"} 20.0'}

    def test_about_what_is_being_answered(self, stack: Stack) -> None:
        def in_progress() -> float:
            shown = re.search(r"^ls_requests_in_progress (.+)$", get(stack, "/metrics").text, re.MULTILINE)
            assert shown
            return float(shown[1])

        body = {"query": "hi", "provider": "openai", "model": "tokens-1000-0.1"}
        until(lambda: in_progress() == 1)  # the question itself
        with ExitStack() as streams:
            path = f"{stack.url}/v1/streaming_query"
            told = [
                streams.enter_context(requests.post(path, json=body, stream=True, timeout=DEADLINE)).iter_lines()
                for _ in range(4)
            ]
            assert all(b'"start"' in next(lines) for lines in told)
            assert in_progress() == 5
        until(lambda: in_progress() == 1)


def test_headers_may_be_as_large_as_authentication_takes_them(tmp_path: Path) -> None:
    identity = {"type": "User", "org_id": "1", "user": {"user_id": "1", "username": "u"}}
    settings = {"authentication": {"module": "rh-identity", "rh_identity_config": {"max_header_size": 30_000}}}

    def status(stack: Stack, size: int) -> int:
        padding = "x" * (size * 3 // 4 - 150)
        header = base64.b64encode(json.dumps({"identity": identity, "padding": padding}).encode()).decode()
        answer = get(stack, "/v1/info", headers={"x-rh-identity": header})
        if answer.status_code == 431:
            assert answer.json()["detail"]["response"] == "Request header fields too large"
        return answer.status_code

    with Stack(tmp_path, settings) as stack:
        assert [status(stack, size) for size in (8_000, 12_000, 29_000, 30_200, 40_000)] == [200, 200, 200, 400, 431]


class TestBodies:
    def test_one_too_large_is_refused_before_it_is_sent(self, stack: Stack) -> None:
        with closing(connect(stack)) as sock:
            sock.sendall(
                b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100000000\r\n\r\n"
            )
            assert received(sock).startswith(b"HTTP/1.1 413 ")

    @pytest.mark.parametrize(("length", "answers"), [(100_000_000, [b"413"]), (16, [b"100", b"200"])])
    def test_one_is_asked_for_only_when_it_is_wanted(self, stack: Stack, length: int, answers: list[bytes]) -> None:
        with closing(connect(stack)) as sock:
            sock.sendall(
                b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length
            )
            told = sock.recv(65536)
            if told == b"HTTP/1.1 100 Continue\r\n\r\n":
                sock.sendall(b'{"query": "why"}')
            told += b"".join(iter(lambda: sock.recv(65536), b""))
        assert re.findall(rb"HTTP/1\.1 (\d+)", told) == answers

    def test_one_too_large_that_is_sent_all_the_same_gets_its_answer(self, stack: Stack) -> None:
        answer = requests.post(
            f"{stack.url}/v1/query",
            data=b"x" * 3_000_000,
            headers={"Content-Type": "application/json"},
            timeout=DEADLINE,
        )
        assert answer.status_code == 413
        assert answer.json()["detail"] == {
            "response": "Request is too large",
            "cause": "The request body is larger than 100000 bytes.",
        }

    def test_one_that_does_not_say_how_large_it_is(self, stack: Stack) -> None:
        def body() -> Iterator[bytes]:
            yield b'{"query": "'
            for _ in range(200):
                yield b" " * 1000
            yield b'"}'

        answer = requests.post(
            f"{stack.url}/v1/query",
            data=body(),
            headers={"Content-Type": "application/json"},
            timeout=DEADLINE,
        )
        assert answer.status_code == 413

    def test_chunks_that_are_none(self, stack: Stack) -> None:
        with closing(connect(stack)) as sock:
            sock.sendall(
                b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
            )
            assert received(sock).startswith(b"HTTP/1.1 400 ")

    def test_one_that_ends_too_early(self, stack: Stack) -> None:
        with closing(connect(stack)) as sock:
            sock.sendall(
                b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
            )
            sock.shutdown(socket.SHUT_WR)
            assert received(sock).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 422 "))
        assert get(stack, "/liveness").status_code == 200

    def test_a_connection_stays_usable_after_a_refusal(self, stack: Stack) -> None:
        with requests.Session() as session:
            for _ in range(3):
                refused = session.post(f"{stack.url}/v1/nope", data=b"x" * 50_000, timeout=DEADLINE)
                assert refused.status_code == 404
                assert session.get(f"{stack.url}/v1/info", timeout=DEADLINE).status_code == 200


class TestHead:
    def test_it_has_the_length_and_no_body(self, stack: Stack) -> None:
        with closing(connect(stack)) as sock:
            sock.sendall(b"HEAD /v1/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with sock.makefile("rb") as answer:
                text = answer.read()
        assert re.search(rb"(?i)content-length: [1-9]", text)
        assert text.endswith(b"\r\n\r\n")


class TestQueue:
    @pytest.fixture
    def small(self, fake: FakeProvider, tmp_path: Path) -> Iterator[Stack]:
        service = {"workers": 1, "threads": 4, "max_waiting_requests": 0, "request_read_timeout_seconds": 2}
        with Stack(tmp_path, merged(provider(fake.url), {"service": service})) as running:
            yield running

    def test_when_every_thread_is_taken_others_are_told_so_and_probes_are_answered(
        self, small: Stack, fake: FakeProvider
    ) -> None:
        body = {"query": "hi", "provider": "openai", "model": "tokens-5-0.5"}
        fake.models = (*fake.models, "tokens-5-0.5")
        before = len(fake.asked)
        with ThreadPoolExecutor() as pool:
            streams = [
                pool.submit(requests.post, f"{small.url}/v1/streaming_query", json=body, timeout=DEADLINE)
                for _ in range(4)
            ]
            fake.wait_until(lambda running: len(running.asked) == before + 4)
            refused = get(small, "/v1/info")
            probes = [get(small, path).status_code for path in ("/liveness", "/readiness") * 3]
            finished = [stream.result() for stream in streams]
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json()["detail"]["response"] == "Service is busy"
        assert probes == [200] * 6
        assert all('"event": "end"' in stream.text for stream in finished)
        assert get(small, "/v1/info").status_code == 200

    def test_as_many_wait_as_may(self, fake: FakeProvider, tmp_path: Path) -> None:
        service = {"workers": 1, "threads": 1, "max_waiting_requests": 3}
        settings = merged(provider(fake.url, models=["tokens-3-0.4"]), {"service": service})
        with (
            Stack(tmp_path, settings) as narrow,
            requests.post(narrow.url + STREAM, json={"query": "?"}, stream=True, timeout=DEADLINE) as told,
            ThreadPoolExecutor() as pool,
        ):
            lines = told.iter_lines()
            assert b'"start"' in next(lines)
            others = [pool.submit(get, narrow, "/v1/info") for _ in range(5)]
            assert sorted(other.result().status_code for other in others) == [200, 200, 200, 503, 503]

    @pytest.mark.parametrize(
        "half",
        [
            b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-",
            b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
        ],
    )
    def test_clients_that_stop_half_way_are_let_go_of(self, small: Stack, half: bytes) -> None:
        dawdlers = [connect(small) for _ in range(4)]
        for dawdler in dawdlers:
            dawdler.sendall(half)
        told = []
        for dawdler in dawdlers:
            with closing(dawdler):
                told.append(dawdler.recv(65536))
        assert get(small, "/v1/info").status_code == 200
        assert {answer[:12] for answer in told} <= {b"", b"HTTP/1.1 408", b"HTTP/1.1 503"}


def test_many_who_send_a_byte_now_and_then_delay_nobody_and_are_disconnected(
    fake: FakeProvider, tmp_path: Path
) -> None:
    service = {"threads": 640, "request_read_timeout_seconds": 3}
    with Stack(tmp_path, merged(provider(fake.url), {"service": service})) as roomy, ExitStack() as open_ones:
        drippers = [open_ones.enter_context(closing(connect(roomy))) for _ in range(128)]
        for number, dripper in enumerate(drippers):
            head = b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\n"
            dripper.sendall(head + (b"Content-Length: 50\r\n\r\n{" if number % 2 else b""))
        waiting = open_ones.enter_context(closing(selectors.DefaultSelector()))
        for dripper in drippers:
            waiting.register(dripper, selectors.EVENT_READ, dripper)
        answers: dict[socket.socket, bytes] = {}
        began = time.monotonic()
        while len(answers) < len(drippers):
            assert time.monotonic() - began < DEADLINE
            slowest = max(get(roomy, "/v1/info").elapsed.total_seconds() for _ in range(5))
            assert slowest < 1
            for key, _ in waiting.select(0.5):
                waiting.unregister(key.fileobj)
                answers[key.data] = key.data.recv(65536)
            for dripper in set(drippers) - set(answers):
                with suppress(OSError):  # disconnected since
                    dripper.sendall(b"x")
    assert {answer[:12] for answer in answers.values()} == {b"HTTP/1.1 408"}
    assert all(b"Connection: close" in answer for answer in answers.values())
    assert {answer.partition(b"\r\n\r\n")[2] for answer in answers.values()} == {b"", b'{"detail":"Request Timeout"}'}
    assert not [line for line in roomy.log if "Traceback" in line]
    assert len([line for line in roomy.log if "too slow" in line]) == 64
    assert len([line for line in roomy.log if "POST /v1/query 408 " in line]) == 64


def test_a_start_without_a_provider_is_told_and_is_over_with_the_next_reload(
    fake: FakeProvider, tmp_path: Path
) -> None:
    metric = "ls_started_in_degraded_mode"
    with Stack(tmp_path, provider("http://127.0.0.1:1/v1")) as stack:
        stack.wait_for("started, but something is missing: Provider openai: ")
        until(lambda: f"{metric} 1.0" in get(stack, "/metrics").text)
        stack.file.write_text(yaml.safe_dump(merged(stack.config, provider(fake.url))))
        stack.signal(signal.SIGHUP)
        until(lambda: f"{metric} 0.0" in get(stack, "/metrics").text)


def test_one_line_a_request_and_no_text_in_the_log(fake: FakeProvider, tmp_path: Path) -> None:
    with Stack(tmp_path, provider(fake.url)) as stack:
        identity = requests.post(
            f"{stack.url}/v1/query?user_id=alice",
            json={"query": "a very private question"},
            headers={"x-request-id": "r-1"},
            timeout=DEADLINE,
        ).json()["conversation_id"]
        body = {
            "conversation_id": identity,
            "user_question": "private",
            "llm_response": "a",
            "user_feedback": "private",
        }
        requests.post(
            f"{stack.url}/v1/feedback?user_id=alice", json=body, headers={"x-request-id": "r-2"}, timeout=DEADLINE
        )
        stack.wait_for("request=r-2 ")
    [line] = [line for line in stack.log if "request=r-1 " in line]
    assert re.search(r"POST /v1/query 200 \d+\.\d ms request=r-1 user=[0-9a-f]{64} outcome=complete$", line)
    assert not [line for line in stack.log if "private" in line or "alice" in line or "Hello" in line]


FEEDBACK = {"conversation_id": str(uuid.UUID(int=1)), "user_question": "", "llm_response": ""}
FAULTY = {
    "attachments that lack everything": ("query", json.dumps({"query": "x", "attachments": [{}] * 24_000})),
    "categories that are none": ("feedback", json.dumps(FEEDBACK | {"categories": [""] * 24_000})),
    "fields that nobody knows": ("query", json.dumps({f"unknown {number}": [] for number in range(4_000)})),
    "a long name that nobody knows": ("query", json.dumps({"x" * 90_000: 1})),
    "a text that is no id": ("query", json.dumps({"query": "x", "conversation_id": "x" * 90_000})),
}


@pytest.mark.parametrize(("path", "body"), FAULTY.values(), ids=list(FAULTY))
def test_however_much_is_wrong_the_answer_is_short(stack: Stack, path: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    told = requests.post(f"{stack.url}/v1/{path}", data=body, headers=headers, timeout=DEADLINE)
    assert told.status_code == 422
    assert 1 <= len(told.json()["detail"]) <= 100
    assert len(told.content) < 60_000


def test_what_is_stored_is_stored_in_whichever_worker(stack: Stack) -> None:
    def ask(number: int) -> None:
        user = f"user-{number % 3}"
        asked = requests.post(f"{stack.url}/v1/query?user_id={user}", json={"query": f"q{number}"}, timeout=DEADLINE)
        body = {
            "conversation_id": asked.json()["conversation_id"],
            "user_question": f"q{number}",
            "llm_response": "a",
            "sentiment": 1,
        }
        given = requests.post(f"{stack.url}/v1/feedback?user_id={user}", json=body, timeout=DEADLINE)
        assert given.json() == {"response": "feedback received"}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(24)))
    questions = [json.loads(file.read_text())["user_question"] for file in stack.feedback.glob("[!.]*.json")]
    assert sorted(questions) == sorted(f"q{number}" for number in range(24))

"""What surrounds a request, around plain WSGI applications."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client

from lightspeed_stack import config
from lightspeed_stack.cors import Cors
from lightspeed_stack.front import NOTE, Front, Slots

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Counter:
    """Metrics that remember."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, int]] = []
        self.in_progress = 0

    def request_began(self) -> None:
        self.in_progress += 1

    def request_ended(self) -> None:
        self.in_progress -= 1
        assert self.in_progress >= 0

    def request(self, path: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.counted.append((path, status))


class Gated:
    """An application whose answer waits until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.entered.release()
        assert self.go.wait(10)
        return hello(environ, start_response)


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    environ[NOTE].route = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["SCRIPT_NAME"].encode(), b" ", environ["PATH_INFO"].encode()]


def client(application: WSGIApplication, counter: Counter | None = None, **options: Any) -> Client:
    cors = Cors(config.Cors(("*",), False, ("*",), ("*",)))
    slots = options.pop("slots", Slots(4, 0, 0))
    return Client(Front(application, slots, cors, counter or Counter(), **options))


def later(call: Any, results: list[Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    return thread


class TestRequestId:
    def test_one_is_made(self) -> None:
        asking = client(hello)
        first, second = (asking.get("/").headers["x-request-id"] for _ in range(2))
        assert first != second
        assert len(first) == 36

    @pytest.mark.parametrize("given", ["abc-1", "a" * 128, "Root=1-67891233-abcdef012345678912345678"])
    def test_a_sensible_one_is_kept(self, given: str) -> None:
        assert client(hello).get("/", headers={"x-request-id": given}).headers["x-request-id"] == given

    @pytest.mark.parametrize("given", ["", "a" * 129, "a b", 'a"b', "ř"])
    def test_any_other_is_replaced(self, given: str) -> None:
        answer = client(hello).get("/", headers={"x-request-id": given})
        assert len(answer.headers["x-request-id"]) == 36


class TestSlots:
    def test_when_all_are_taken_the_next_is_told_to_come_again(self) -> None:
        gated, counter, answers = Gated(), Counter(), []
        asking = client(gated, counter, slots=Slots(1, 0, 0))
        thread = later(lambda: asking.get("/work", buffered=True), answers)
        assert gated.entered.acquire(timeout=10)
        refused = asking.get("/work")
        gated.go.set()
        thread.join()
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json == {
            "detail": {"response": "Service is busy", "cause": "All workers are busy, try again in a moment."}
        }
        assert [answer.status_code for answer in answers] == [200]
        assert asking.get("/work").status_code == 200

    @pytest.mark.parametrize("probe", ["/liveness", "/readiness", "/v1/streaming_query/interrupt"])
    def test_probes_and_interrupts_need_none(self, probe: str) -> None:
        gated, answers = Gated(), []
        asking = client(gated, slots=Slots(1, 0, 0))
        threads = [later(lambda: asking.get("/work", buffered=True), answers)]
        assert gated.entered.acquire(timeout=10)
        threads += [later(lambda: asking.get(probe), answers) for _ in range(3)]
        for _ in range(3):
            assert gated.entered.acquire(timeout=10)
        gated.go.set()
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * 4

    def test_one_that_may_wait_gets_the_place_that_becomes_free(self) -> None:
        slots = Slots(1, 1, 10)
        assert slots.take()
        taken: list[bool] = []
        thread = later(slots.take, taken)
        slots.give_back()
        thread.join()
        assert taken == [True]

    def test_one_that_waits_too_long_gets_none(self) -> None:
        slots = Slots(1, 1, 0.01)
        assert slots.take()
        assert not slots.take()

    def test_too_many_do_not_wait(self) -> None:
        slots = Slots(1, 1, 10)
        assert slots.take()
        taken: list[bool] = []
        threads = [later(slots.take, taken) for _ in range(2)]
        while not taken:
            threads[0].join(0.01)
            threads[1].join(0.01)
        assert taken == [False]
        slots.give_back()
        for thread in threads:
            thread.join()
        assert sorted(taken) == [False, True]

    def test_an_application_that_fails_gives_its_place_back(self) -> None:
        def fails(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            raise RuntimeError

        asking = client(fails, slots=Slots(1, 0, 0))
        for _ in range(2):
            with pytest.raises(RuntimeError):
                asking.get("/")

    def test_a_body_that_is_given_up_gives_its_place_back_once(self) -> None:
        closed: list[bool] = []

        class Endless:
            def __iter__(self) -> Iterator[bytes]:
                while True:
                    yield b"x"

            def close(self) -> None:
                closed.append(True)

        def streams(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [])
            return Endless()

        asking = client(streams, slots=Slots(1, 0, 0))
        for _ in range(3):
            answer = asking.get("/")
            assert next(answer.iter_encoded()) == b"x"
            answer.close()
            answer.close()
        assert len(closed) >= 3


class TestRootPath:
    def test_it_is_stripped(self) -> None:
        assert client(hello, root_path="/assistant").get("/assistant/v1/info").data == b"/assistant /v1/info"

    @pytest.mark.parametrize("path", ["/v1/info", "/assistantship/x", "/assistant"])
    def test_a_path_without_it_is_left_alone(self, path: str) -> None:
        assert client(hello, root_path="/assistant").get(path).data == b" " + path.encode()


class TestTelling:
    def test_a_request_is_counted_under_its_route(self) -> None:
        counter = Counter()
        assert client(hello, counter).get("/v1/info").data
        assert counter.counted == [("/v1/info", 200)]

    def test_a_request_that_took_no_route_is_not_counted(self) -> None:
        def lost(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            start_response("404 Not Found", [])
            return []

        counter = Counter()
        assert client(lost, counter).get("/nope").data == b""
        assert counter.counted == []

    def test_one_line_a_request(self, caplog: pytest.LogCaptureFixture) -> None:
        def noted(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ[NOTE].user = "u1"
            environ[NOTE].outcome = "complete"
            environ[NOTE].conversation = "c1"
            return hello(environ, start_response)

        caplog.set_level(logging.INFO)
        assert client(noted).get("/v1/info?q=secret", headers={"x-request-id": "r1"}).data
        [record] = caplog.records
        assert record.getMessage().startswith("GET /v1/info 200 ")
        assert record.getMessage().endswith(" ms request=r1 user=u1 outcome=complete")
        assert "secret" not in record.getMessage()
        fields = record.fields  # type: ignore[attr-defined]  # it comes with `extra`
        assert float(fields.pop("LIGHTSPEED_DURATION_MS")) >= 0
        assert fields == {
            "LIGHTSPEED_REQUEST_ID": "r1",
            "LIGHTSPEED_USER": "u1",
            "LIGHTSPEED_ROUTE": "/v1/info",
            "LIGHTSPEED_STATUS": "200",
            "LIGHTSPEED_OUTCOME": "complete",
            "LIGHTSPEED_CONVERSATION_ID": "c1",
        }

    def test_a_refusal_has_its_line_too(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        slots = Slots(1, 0, 0)
        slots.take()
        assert client(hello, slots=slots).get("/", buffered=True).status_code == 503
        assert "GET - 503" in caplog.text
        assert "outcome=busy" in caplog.text

    def test_no_line_when_the_access_log_is_off(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        assert client(hello, access_log=False).get("/").status_code == 200
        assert not caplog.records


class TestCors:
    def test_an_answer_to_another_origin(self) -> None:
        answer = client(hello).get("/", headers={"Origin": "https://a.example"})
        assert answer.headers["access-control-allow-origin"] == "*"

    def test_a_preflight_takes_no_place_and_reaches_no_application(self) -> None:
        slots = Slots(1, 0, 0)
        slots.take()
        headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        answer = client(hello, slots=slots).options("/v1/query", headers=headers)
        assert (answer.status_code, answer.data) == (200, b"OK")
        assert answer.headers["access-control-allow-origin"] == "*"

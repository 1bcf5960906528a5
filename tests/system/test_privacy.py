"""What users and administrators decided about records holds: in every worker, over restarts, against other pages."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes import postgres, strace
from tests.fakes.application import provider
from tests.fakes.daemon import Stack
from tests.fakes.provider import FakeProvider
from tests.test_costs import counted, worker

DEADLINE = 20
FEEDBACK = {"user_question": "q", "llm_response": "a", "sentiment": 1}


def enabled(stack: Stack) -> set[bool]:
    """What several connections are told, so that each worker is asked."""
    answers = [requests.get(f"{stack.url}/v1/feedback/status", timeout=DEADLINE).json() for _ in range(8)]
    return {answer["status"]["enabled"] for answer in answers}


def switch(stack: Stack, position: bool) -> None:
    requests.put(f"{stack.url}/v1/feedback/status", json={"status": position}, timeout=DEADLINE).raise_for_status()


def ask(stack: Stack, **more: Any) -> Any:
    body = {"query": "How do I list services?", **more}
    answer = requests.post(f"{stack.url}/v1/query", json=body, timeout=DEADLINE)
    assert answer.status_code == 200
    return answer.json()


def test_feedback_that_is_switched_off_in_the_configuration_is_off(tmp_path: Path) -> None:
    off = {"user_data_collection": {"feedback_enabled": False}}
    with Stack(tmp_path) as stack:
        switch(stack, False)
        switch(stack, True)
    with Stack(tmp_path, off) as stack:
        assert enabled(stack) == {False}
        assert feedback(stack, ask(stack)["conversation_id"]) == 403
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


def begun(lines: Iterator[bytes]) -> str:
    """The conversation that a stream's first event names."""
    first = json.loads(next(lines).removeprefix(b"data: "))
    identity: str = first["data"]["conversation_id"]
    return identity


def is_whole(lines: Iterator[bytes]) -> bool:
    """Whether the rest of the stream has its last event."""
    return any(b'"event": "end"' in line for line in lines)


def stream(stack: Stack) -> requests.Response:
    body = {"query": "one", "media_type": "application/json"}
    return requests.post(f"{stack.url}/v1/streaming_query", json=body, stream=True, timeout=DEADLINE)


def delete(stack: Stack, conversation_id: str) -> Any:
    return requests.delete(f"{stack.url}/v1/conversations/{conversation_id}", timeout=DEADLINE).json()


def records(stack: Stack) -> list[Path]:
    return sorted(stack.transcripts.glob("[!.]*.json"))


def withdrawn(stack: Stack, conversation_id: str) -> bool:
    return any(stack.transcripts.glob(f".forget_{conversation_id}_*"))


def wait_until(true: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_stream_that_is_given_up_before_its_first_token_can_be_deleted(tmp_path: Path) -> None:
    with FakeProvider(behaviour="silent") as fake, Stack(tmp_path, provider(fake.url)) as stack:
        answer = stream(stack)
        conversation_id = begun(answer.iter_lines())
        answer.close()
        wait_until(lambda: records(stack))
        assert delete(stack, conversation_id)["deleted"]
        assert withdrawn(stack, conversation_id)


def test_a_conversation_that_is_deleted_during_its_first_answer_does_not_appear_later(tmp_path: Path) -> None:
    with FakeProvider(behaviour="tokens-10-0.1") as fake, Stack(tmp_path, provider(fake.url)) as stack:
        with stream(stack) as answer:
            lines = answer.iter_lines()
            conversation_id = begun(lines)
            assert delete(stack, conversation_id)["deleted"]
            assert is_whole(lines)
        listed = requests.get(f"{stack.url}/v1/conversations", timeout=DEADLINE).json()
        assert (listed, records(stack)) == ({"conversations": []}, [])


def test_an_answer_that_ends_while_the_database_is_locked_can_be_deleted(tmp_path: Path) -> None:
    path = tmp_path / "state" / "conversations.db"
    with FakeProvider(behaviour="tokens-5-0.1") as fake, Stack(tmp_path, provider(fake.url)) as stack:
        with stream(stack) as answer, closing(sqlite3.connect(path, isolation_level=None)) as other:
            lines = answer.iter_lines()
            conversation_id = begun(lines)
            other.execute("BEGIN EXCLUSIVE")
            assert is_whole(lines)
            stack.wait_for("a turn is not remembered")
        assert len(records(stack)) == 1
        assert delete(stack, conversation_id)["deleted"]
        assert withdrawn(stack, conversation_id)


def test_feedback_that_races_a_deletion_does_not_stay(tmp_path: Path) -> None:
    """A request to forget covers what was there before it, so none may come after the last request."""
    with Stack(tmp_path) as stack, ThreadPoolExecutor() as pool:
        for _ in range(20):
            conversation_id = ask(stack)["conversation_id"]
            rate = partial(feedback, stack, conversation_id)
            assert rate() == 200
            before = [pool.submit(rate) for _ in range(3)]
            deleted = pool.submit(delete, stack, conversation_id)
            after = [pool.submit(rate) for _ in range(3)]
            assert deleted.result()["deleted"]
            assert {each.result() for each in (*before, *after)} <= {200, 404}
            assert came(stack, f"*_{conversation_id}_*.json") <= came(stack, f".forget_{conversation_id}_*")


def feedback(stack: Stack, conversation_id: str) -> int:
    rated = {**FEEDBACK, "conversation_id": conversation_id}
    return requests.post(f"{stack.url}/v1/feedback", json=rated, timeout=DEADLINE).status_code


def came(stack: Stack, pattern: str) -> int:
    """When the last of these files got its name."""
    return max(path.stat().st_ctime_ns for path in stack.feedback.glob(pattern))


def test_who_opts_out_during_an_answer_is_not_recorded(tmp_path: Path) -> None:
    with FakeProvider(behaviour="tokens-10-0.1") as fake, Stack(tmp_path, provider(fake.url)) as stack:
        with stream(stack) as answer:
            lines = answer.iter_lines()
            conversation_id = begun(lines)
            me = f"{stack.url}/v1/me/data-collection"
            assert requests.put(me, json={"enabled": False}, timeout=DEADLINE).json() == {"enabled": False}
            assert is_whole(lines)
        known = requests.get(f"{stack.url}/v1/conversations/{conversation_id}", timeout=DEADLINE).json()
        assert (len(known["chat_history"]), records(stack)) == (1, [])


def test_who_opts_out_while_feedback_waits_for_the_database_is_not_recorded(tmp_path: Path) -> None:
    if why := postgres.missing():
        pytest.skip(f"no PostgreSQL: {why}")
    import psycopg

    server = postgres.Postgres()
    place = {"host": str(server.directory), "user": postgres.USER}
    try:
        server.start()
        settings = {**place, "db": "postgres", "ssl_mode": "disable"}
        with Stack(tmp_path, {"database": {"postgres": settings}}) as stack, ThreadPoolExecutor() as pool:
            conversation_id = ask(stack)["conversation_id"]
            with psycopg.connect(**place, dbname="postgres") as connection:
                connection.execute("LOCK TABLE conversation IN ACCESS EXCLUSIVE MODE")
                given = pool.submit(feedback, stack, conversation_id)
                while not connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                    time.sleep(0.01)
                me = f"{stack.url}/v1/me/data-collection"
                assert requests.put(me, json={"enabled": False}, timeout=DEADLINE).json() == {"enabled": False}
            assert given.result() == 403
            assert list(stack.feedback.glob("*.json")) == []
    finally:
        server.remove()


def test_what_is_deleted_stands_in_no_file_of_the_database(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        asked = [ask(stack, query=f"my-secret-question-{number}")["conversation_id"] for number in range(4)]
        kept = ask(stack)["conversation_id"]
        assert all(delete(stack, conversation_id)["deleted"] for conversation_id in asked)
        assert holding(stack, b"my-secret-question") == []
        delete(stack, kept)
    assert holding(stack, b"How do I list services?") == []


def holding(stack: Stack, said: bytes) -> list[str]:
    return [file.name for file in (stack.folder / "state").glob("conversations.db*") if said in file.read_bytes()]


def test_a_deletion_is_durable_before_it_is_told(tmp_path: Path) -> None:
    """With nothing to withdraw, whatever is synced is the database."""
    strace.needed()
    off = {"feedback_enabled": False, "transcripts_enabled": False}
    with Stack(tmp_path, {"service": {"workers": 1}, "user_data_collection": off}) as stack:
        conversation_id = ask(stack)["conversation_id"]
        with counted(worker(stack)) as counts:
            assert delete(stack, conversation_id)["deleted"]
    assert counts["fdatasync"] + counts["fsync"] > 0


def test_storages_that_are_switched_off_are_neither_needed_nor_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    off = {
        "feedback_enabled": False,
        "transcripts_enabled": False,
        "feedback_storage": str(tmp_path / "unused"),
        "transcripts_storage": str(tmp_path / "file" / "transcripts"),
    }
    with Stack(tmp_path, {"user_data_collection": off}) as stack:
        assert readiness(stack) == 200
        assert delete(stack, ask(stack)["conversation_id"])["deleted"]
        assert not (tmp_path / "unused").exists()
    with Stack(tmp_path, {"user_data_collection": {**off, "transcripts_enabled": True}}) as stack:
        assert readiness(stack) == 503


def readiness(stack: Stack) -> int:
    return requests.get(f"{stack.url}/readiness", timeout=DEADLINE).status_code

"""Both programs and the ingress as real processes: what is asked over HTTP arrives, byte for byte, and only once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.daemon import ROOT, Ingress, Process, Stack, collector
from tests.fakes.provider import FakeProvider


@pytest.fixture
def ingress(tmp_path: Path) -> Iterator[Ingress]:
    with Ingress(tmp_path) as running:
        yield running


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        yield running


@pytest.fixture
def stack(tmp_path: Path, ingress: Ingress, provider: FakeProvider) -> Iterator[Stack]:
    overrides = {
        "inference": {
            "providers": [{"name": "openai", "type": "openai", "base_url": provider.url, "models": ["gpt-4o-mini"]}]
        },
        "user_data_collection": {
            "data_collector": {
                "enabled": True,
                "ingress_server_url": ingress.url,
                "ingress_content_service_name": "lightspeed",
                "state_dir": str(tmp_path / "collector"),
                "collection_interval": 1,
            }
        },
    }
    with Stack(tmp_path, overrides) as running:
        yield running


def post(stack: Stack, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = requests.post(stack.url + path, json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def talk(stack: Stack) -> str:
    """Two questions of one conversation and what the user thought; the conversation's id."""
    first = post(stack, "/v1/query", {"query": "Hello"})
    conversation: str = first["conversation_id"]
    post(stack, "/query", {"query": "And again?", "conversation_id": conversation})
    feedback = {
        "conversation_id": conversation,
        "user_question": "Hello",
        "llm_response": first["response"],
        "sentiment": 1,
        "user_feedback": "Satisfied: p\u0159\u00edli\u0161 dobr\u00e9",
    }
    assert post(stack, "/v1/feedback", feedback) == {"response": "feedback received"}
    return conversation


def spooled(stack: Stack) -> dict[str, bytes]:
    return {
        f"{folder.name}/{path.name}": path.read_bytes()
        for folder in (stack.transcripts, stack.feedback)
        for path in folder.glob("[!.]*")  # but for what health checks try now and then
    }


def archived(ingress: Ingress) -> dict[str, bytes]:
    """Every member of every stored archive; none may be there twice."""
    members: dict[str, bytes] = {}
    for archive in sorted(ingress.store.glob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                stream = tar.extractfile(member)
                assert stream
                assert member.name not in members
                members[member.name] = stream.read()
    return members


def test_what_is_asked_and_thought_arrives_byte_for_byte(stack: Stack, ingress: Ingress) -> None:
    conversation = talk(stack)
    before = spooled(stack)
    assert len(before) == 3
    done = collector(stack.file, "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(done.stdout) | {"sent": 3, "left": 0, "quarantined": 0, "dropped": 0}
    assert archived(ingress) == before
    assert spooled(stack) == {}
    assert all(conversation in name for name in before)


def test_records_are_the_specifications(stack: Stack) -> None:
    conversation = talk(stack)
    transcripts = [json.loads(path.read_bytes()) for path in sorted(stack.transcripts.glob("[!.]*.json"))]
    [feedback] = [json.loads(path.read_bytes()) for path in stack.feedback.glob("[!.]*.json")]
    first = transcripts[0]
    assert list(first)[:7] == [
        "metadata",
        "redacted_query",
        "query_is_valid",
        "llm_response",
        "rag_chunks",
        "truncated",
        "attachments",
    ]  # fmt: skip - as the specification lists them
    assert list(first["metadata"])[-3:] == ["user_id", "conversation_id", "timestamp"]
    assert list(feedback) == [
        "user_id",
        "timestamp",
        "conversation_id",
        "user_question",
        "llm_response",
        "sentiment",
        "user_feedback",
        "categories",
    ]  # fmt: skip - as the specification lists them
    assert [record["redacted_query"] for record in transcripts] == ["Hello", "And again?"]
    assert first["metadata"]["conversation_id"] == feedback["conversation_id"] == conversation
    assert first["metadata"]["user_id"] == feedback["user_id"] != "00000000-0000-0000-0000-000"
    assert first["metadata"]["timestamp"][10] == "T"
    assert feedback["timestamp"][10] == " "


def test_a_second_run_has_nothing_to_do(stack: Stack, ingress: Ingress) -> None:
    talk(stack)
    assert collector(stack.file, "run").returncode == 0
    stored = sorted(ingress.store.glob("*.tar.gz"))
    done = collector(stack.file, "run", "--json")
    assert (done.returncode, json.loads(done.stdout)["sent"]) == (0, 0)
    assert sorted(ingress.store.glob("*.tar.gz")) == stored


def test_a_dry_run_shows_and_sends_nothing(stack: Stack, ingress: Ingress) -> None:
    talk(stack)
    before = spooled(stack)
    done = collector(stack.file, "run", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "3 records" in done.stdout
    assert spooled(stack) == before
    assert archived(ingress) == {}


def test_while_the_ingress_is_away_everything_waits(stack: Stack, ingress: Ingress) -> None:
    talk(stack)
    before = spooled(stack)
    away = stack.file.with_name("away.yaml")
    away.write_text(stack.file.read_text().replace(ingress.url, "http://127.0.0.1:9/upload"))
    with Process([sys.executable, "-m", "lightspeed_collector", "--config", str(away), "run"]) as run:
        run.wait_for("(?i)refused|could not be reached|can't be reached")
        run.signal(signal.SIGTERM)
        assert run.wait(10) in (0, 75)
    assert spooled(stack) == before
    assert collector(stack.file, "run").returncode == 0
    assert archived(ingress) == before


def test_killed_between_acceptance_and_deletion_it_deletes_without_sending(stack: Stack, ingress: Ingress) -> None:
    talk(stack)
    before = spooled(stack)
    command = [sys.executable, "-m", "lightspeed_collector", "--config", str(stack.file), "run"]
    # the first unlink in the spool is the first deletion: kill the run as it is about to happen
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(stack.transcripts), "-P", str(stack.feedback)]
    inject = ["-e", "trace=unlink,unlinkat", "-e", "inject=unlink,unlinkat:signal=KILL:when=1"]
    done = subprocess.run([*trace, *inject, *command], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
    accepted = archived(ingress)
    assert accepted == before
    notified = (ingress.store / "notifications.jsonl").read_text()
    again = collector(stack.file, "run", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["batches"] == 0
    assert spooled(stack) == {}
    assert archived(ingress) == accepted
    assert (ingress.store / "notifications.jsonl").read_text() == notified


def test_the_collector_repeats_in_the_foreground(stack: Stack, ingress: Ingress) -> None:
    with Process([sys.executable, "-m", "lightspeed_stack", "--config", str(stack.file), "--data-collector"]) as loop:
        loop.wait_for("sent 0 records")
        talk(stack)
        loop.wait_for("sent [123] records in [12]")
        assert loop.stop() == 0
    assert collector(stack.file, "run").returncode == 0
    assert len(archived(ingress)) == 3


def test_neither_program_needs_the_other(stack: Stack, ingress: Ingress) -> None:
    talk(stack)
    before = spooled(stack)
    stack.stop()
    assert collector(stack.file, "run").returncode == 0
    assert archived(ingress) == before

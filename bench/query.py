"""POST /v1/query and /v1/streaming_query with a provider that answers at once; auth, redaction, history and transcript on."""

from __future__ import annotations

import hashlib
import subprocess
import sys

from bench.load import Load, Row, alternate, cpu_seconds, folder, post, table
from tests.fakes.daemon import Stack

GOALS = {"/v1/query": (800, 20.0), "/v1/streaming_query": (600, None)}


def overrides(provider_url: str) -> dict[str, object]:
    key = hashlib.sha256(b"hunter2").hexdigest()
    return {
        "service": {"workers": 2, "threads": 64},
        "authentication": {
            "module": "api-key-token",
            "api_key_config": {"keys": [{"user_id": "alice", "sha256": key}]},
        },
        "redaction": {"builtin": ["email", "ipv4", "bearer_token", "api_key", "payment_card"]},
        "inference": {
            "providers": [{"name": "fake", "type": "openai", "base_url": provider_url, "models": ["gpt-4o-mini"]}]
        },
    }


def fake_provider() -> subprocess.Popen[str]:
    """The fake provider in a process of its own; its first line is its URL."""
    command = [sys.executable, "-m", "tests.fakes.provider", "--port", "0"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def rows(rounds: int = 3, seconds: int = 5) -> list[Row]:
    provider = fake_provider()
    assert provider.stdout
    url = provider.stdout.readline().strip()
    made: list[Row] = []
    with Stack(folder() / "stack", overrides(url)) as stack:
        for path, (goal, p50) in GOALS.items():

            def measure(path: str = path) -> Load:
                return post(
                    stack.url + path,
                    {"query": "How do I list the failed services of this host?"},
                    stack.popen.pid,
                    seconds=seconds,
                )

            before = cpu_seconds(stack.popen.pid), cpu_seconds(provider.pid)
            [load] = alternate(rounds, measure)
            spent = seconds * (rounds + 1)
            ours, theirs = (
                now - then
                for now, then in zip((cpu_seconds(stack.popen.pid), cpu_seconds(provider.pid)), before, strict=True)
            )
            figure = (
                f"{load.per_second:.0f}/s, p50 {load.p50_ms:.1f} ms, p99 {load.p99_ms:.0f} ms, {load.errors} errors;"
                f" CPU: daemon {ours / spent:.0%}, provider {theirs / spent:.0%}, generator {load.generator_cpu:.0%} of a core"
            )
            wanted = f"≥ {goal}/s" + (f", p50 ≤ {p50:.0f} ms" if p50 else "")
            good = load.per_second >= goal and not load.errors and (p50 is None or load.p50_ms <= p50)
            made.append(Row(f"POST {path}, provider without latency", figure, wanted, good))
    provider.terminate()
    provider.wait()
    return made


if __name__ == "__main__":
    print(table(rows()))

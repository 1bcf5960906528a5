"""POST /v1/feedback, stored durably, against the barest view that does the same durable write."""

from __future__ import annotations

import requests

from bench import bare
from bench.load import Load, Row, alternate, folder, post, table
from tests.fakes.daemon import Process, Stack

GOAL_PER_SECOND = 2000
GOAL_RATIO = 0.8


def rows(rounds: int = 3, seconds: int = 5) -> list[Row]:
    place = folder()
    with (
        bare.server(place / "bare", 64) as plain,
        bare.server(place / "pinned", 64, pinned=True) as pinned,
        Stack(place / "stack", {"service": {"workers": 2, "threads": 64, "access_log": True}}) as stack,
    ):
        asked = requests.post(f"{stack.url}/v1/query", json={"query": "How do I list services?"}, timeout=30).json()
        body = {
            "conversation_id": asked["conversation_id"],
            "user_question": "How do I list services?",
            "llm_response": asked["response"][:400],
            "sentiment": 1,
            "user_feedback": "Satisfied with the response quality.",
        }

        def ours() -> Load:
            return post(f"{stack.url}/v1/feedback", body, stack.popen.pid, seconds=seconds)

        def theirs(server: Process) -> Load:
            return post(f"{server.wait_for(bare.LISTENING).group(1)}/feedback", body, server.popen.pid, seconds=seconds)

        mine, reference, steady = alternate(rounds, ours, lambda: theirs(plain), lambda: theirs(pinned))
    ratio = mine.per_second / reference.per_second
    return [
        Row(
            "feedback stored durably, 16 connections",
            f"{mine.per_second:.0f}/s, p50 {mine.p50_ms:.1f} ms, {mine.errors} errors, daemon {mine.server_us:.0f} us of CPU each, generator {mine.generator_cpu:.0%} of a core",
            f"≥ {GOAL_PER_SECOND}/s",
            mine.per_second >= GOAL_PER_SECOND and not mine.errors,
        ),
        Row(
            "the same against a bare Flask view",
            f"{ratio:.2f} of {reference.per_second:.0f}/s at {reference.server_us:.0f} us",
            f"≥ {GOAL_RATIO}",
            ratio >= GOAL_RATIO,
        ),
        Row(
            "against a bare view in workers pinned like ours",
            f"{mine.per_second / steady.per_second:.2f} of {steady.per_second:.0f}/s at {steady.server_us:.0f} us",
            "",
            None,
        ),
    ]


if __name__ == "__main__":
    print(table(rows()))

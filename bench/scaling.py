"""How cost grows: workers 1 to 4, bodies of 1 KB to 1 MB, streams 10 to 2,000, records 1,000 to 1,000,000.

python -m bench.scaling [workers|bodies|streams|records ...]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

import requests

from bench import collector, streams
from bench.load import Load, folder, post
from tests.fakes.daemon import Stack

WORKERS = (1, 2, 3, 4)
BODIES = (1_000, 10_000, 100_000, 1_000_000)
STREAMS = (10, 100, 500, 1000, 2000)
RECORDS = (1_000, 10_000, 100_000, 1_000_000)
SECONDS = 4


def text(names: Iterable[str] = ()) -> str:
    chosen = list(names) or list(CURVES)
    return "## scaling\n\n" + "\n\n".join(CURVES[name]() for name in chosen) + "\n"


def workers() -> str:
    rows = []
    for count in WORKERS:
        load = feedback(count, 400)
        rows.append((str(count), *told(load)))
    return made(("workers", *LOAD), rows)


def bodies() -> str:
    rows = []
    for size in BODIES:
        load = feedback(2, size)
        rows.append((f"{size:,} bytes", *told(load), f"{load.per_second * size / 1e6:.1f} MB/s"))
    return made(("body", *LOAD, "throughput"), rows)


LOAD = ("feedback a second", "p50 ms", "p99 ms", "daemon, us of CPU each")


def told(load: Load) -> tuple[str, ...]:
    return f"{load.per_second:.0f}", f"{load.p50_ms:.1f}", f"{load.p99_ms:.1f}", f"{load.server_us:.0f}"


def feedback(count: int, size: int) -> Load:
    with Stack(folder() / "stack", {"service": {"workers": count, "threads": 64}}) as stack:
        asked = requests.post(f"{stack.url}/v1/query", json={"query": "How do I list services?"}, timeout=30).json()
        body = {
            "conversation_id": asked["conversation_id"],
            "user_question": "How do I list services?",
            "llm_response": "x " * (size // 2),
            "sentiment": 1,
        }
        return post(f"{stack.url}/v1/feedback", body, stack.popen.pid, seconds=SECONDS)


def many_streams() -> str:
    rows = [(str(count), *(row.figure for row in streams.rows(count, 12))) for count in STREAMS]
    return made(("streams", "told and cut", "first token", "gap", "memory", "processor"), rows)


def records() -> str:
    rows = []
    with collector.site() as site:
        for count in RECORDS:
            site.fill(count)
            cost = site.collect()
            rate = f"{1e6 * cost.seconds / count:.0f}"
            rows.append((f"{count:,}", f"{cost.seconds:.2f}", rate, f"{cost.megabytes:.0f}"))
    return made(("records", "seconds", "us a record", "MB RSS"), rows)


def made(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


CURVES: dict[str, Callable[[], str]] = {
    "workers": workers,
    "bodies": bodies,
    "streams": many_streams,
    "records": records,
}

if __name__ == "__main__":
    print(text(sys.argv[1:]))

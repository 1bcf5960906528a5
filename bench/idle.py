"""What the daemon costs while nobody asks, and how soon it serves."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import requests

from bench.load import Row, memory_mb, table, unit_environment
from tests.fakes.daemon import Stack

GOAL_MB = 100
GOAL_SECONDS = 1.0


def rows(rounds: int = 5) -> list[Row]:
    starts, pss, rss = [], [], []
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as name:
            began = time.perf_counter()
            with Stack(Path(name), {"service": {"workers": 2, "threads": 640}}, unit_environment()) as stack:
                took = time.perf_counter() - began
                requests.get(f"{stack.url}/readiness", timeout=10).raise_for_status()
                if number:
                    starts.append(took)
                    pss.append(memory_mb(stack.popen.pid))
                    rss.append(memory_mb(stack.popen.pid, "Rss"))
    start, shared, resident = map(statistics.median, (starts, pss, rss))
    return [
        Row(
            "daemon, idle, two workers",
            f"{shared:.0f} MB PSS ({resident:.0f} MB RSS)",
            f"≤ {GOAL_MB} MB PSS",
            shared <= GOAL_MB,
        ),
        Row("start to READY", f"{start:.2f} s", f"≤ {GOAL_SECONDS:.0f} s", start <= GOAL_SECONDS),
    ]


if __name__ == "__main__":
    print(table(rows()))

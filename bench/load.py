"""What the benchmarks share: wrk as the load generator, processes and their cost, alternation, a table.

A figure is the median of rounds taken in turn (A B A B ...), so that a machine that slows down slows both. The load
generator's own CPU time is reported beside every figure. What a benchmark leaves on the disk stays there, in
build/bench, until `make bench` ends or `make clean`: ext4 makes files many times more slowly near recently deleted ones.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT = Path(__file__).parents[1] / "build" / "bench"
UNIT = Path(__file__).parents[1] / "systemd" / "system" / "lightspeed-stack.service"


@dataclass(frozen=True)
class Load:
    """One round of load: answers a second, milliseconds, the generator's CPU seconds for each second, and the
    server's microseconds of CPU for each answer."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    generator_cpu: float
    server_us: float


SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer hunter2"
wrk.body = {body}
done = function(summary, latency, requests)
  local wrong = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("FIGURES %f %f %f %d\\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, wrong))
end
"""


def post(url: str, body: dict[str, Any], server: int, connections: int = 16, seconds: int = 5) -> Load:
    """POST `body` to `url` on `connections` kept-alive connections for `seconds`; `server` is the pid that answers."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.replace("{body}", lua(json.dumps(body))))
        script.flush()
        before, server_before = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_seconds(server)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"FIGURES (\S+) (\S+) (\S+) (\d+)", text)
    if not found:
        raise RuntimeError(text)
    rate, p50, p99, wrong = found.groups()
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds
    spent = cpu_seconds(server) - server_before
    return Load(float(rate), float(p50), float(p99), int(wrong), cpu, 1e6 * spent / (float(rate) * seconds))


def lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def folder() -> Path:
    """A new one on the disk, which is not removed now."""
    KEPT.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=KEPT))


def alternate(rounds: int, *measures: Callable[[], Load]) -> list[Load]:
    """The median of `rounds` of each measure, taken in turn; one round before does not count."""
    taken: list[list[Load]] = [[] for _ in measures]
    for number in range(rounds + 1):
        for results, measure in zip(taken, measures, strict=True):
            result = measure()
            if number:
                results.append(result)
    return [middle(results) for results in taken]


def middle(results: list[Load]) -> Load:
    return Load(
        statistics.median(result.per_second for result in results),
        statistics.median(result.p50_ms for result in results),
        statistics.median(result.p99_ms for result in results),
        sum(result.errors for result in results),
        statistics.median(result.generator_cpu for result in results),
        statistics.median(result.server_us for result in results),
    )


def family(pid: int) -> list[int]:
    """`pid` and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(grandchild for child in children for grandchild in family(int(child)))]


def memory_mb(pid: int, kind: str = "Pss") -> float:
    """Proportional (Pss) or resident (Rss) memory of a process with its children, in MB of 10^6 bytes."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{member}/smaps_rollup").read_text()
            found = re.search(rf"^{kind}:\s+(\d+) kB", text, re.MULTILINE)
            total += int(found.group(1)) if found else 0
    return total * 1024 / 1e6


def unit_environment() -> dict[str, str]:
    """The variables with which systemd starts the daemon."""
    settings = re.findall(r"^Environment=(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE)
    return dict(settings)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its living children have used."""
    tick = os.sysconf("SC_CLK_TCK")
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / tick


@dataclass(frozen=True)
class Row:
    """A line of the report; `reached` is None where there is no goal."""

    what: str
    figure: str
    goal: str
    reached: bool | None

    def __str__(self) -> str:
        verdict = {True: "reached", False: "missed", None: ""}[self.reached]
        what = self.what.replace("|", "\\|")
        return f"| {what} | {self.figure} | {self.goal} | {verdict} |"


def table(rows: list[Row]) -> str:
    head = "| what | figure | goal | |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(map(str, rows))

"""Every benchmark, one after the other, into bench/RESULTS.md.

    python -m bench.run [NAME ...]

With names only those are run, and their tables printed.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import collector, feedback, idle, query, scaling, streams
from bench.load import KEPT, Row, table

RESULTS = Path(__file__).with_name("RESULTS.md")
NOTES = Path(__file__).with_name("notes.md")
LIBRARIES = ("flask", "gunicorn", "SQLAlchemy", "google-re2", "jsonschema-rs", "isal", "prometheus-client")
# The collector, which works in memory, takes minutes: what was removed from the disk before is forgotten by then, and ext4
# no longer makes files slowly on its account.
PARTS: dict[str, Callable[[], list[Row]]] = {
    "collector": collector.rows,
    "idle": idle.rows,
    "feedback": feedback.rows,
    "query": query.rows,
    "streams": streams.rows,
}


def main(names: list[str]) -> None:
    if names:
        for name in names:
            print(scaling.text() if name == "scaling" else table(PARTS[name]()), flush=True)
        return
    parts = [head(datetime.now(UTC))]
    for name, measure in PARTS.items():
        print(name, file=sys.stderr, flush=True)
        before = os.getloadavg()[0]
        parts.append(f"## {name}\n\n{table(measure())}\n\nLoad of the machine before: {before:.1f}.\n")
        write(parts)
    for name, curve in scaling.CURVES.items():
        print(name, file=sys.stderr, flush=True)
        parts.append(f"## scaling: {name}\n\n{curve()}\n")
        write(parts)
    shutil.rmtree(KEPT, ignore_errors=True)


def write(parts: list[str]) -> None:
    """What there is so far: the whole takes long."""
    notes = [NOTES.read_text()] if NOTES.exists() else []
    RESULTS.write_text("\n".join(parts + notes))


def head(now: datetime) -> str:
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return (
        "# What it costs\n\n"
        f"Written by `make bench` on {now:%Y-%m-%d} at {now:%H:%M} UTC. {machine()}.\n"
        f"Python {platform.python_version()}, {libraries}; load generator {generator()}.\n\n"
        "A figure is the median of rounds; where there is a reference, both were measured in turn in the same run. The load\n"
        "generator, the fake provider and the daemon share the machine; what each used of it stands beside the figure.\n"
    )


def machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    disk = subprocess.run(["df", "--output=fstype", "."], capture_output=True, text=True, check=True).stdout.split()[-1]
    name = cpu.group(1) if cpu else platform.machine()
    return f"{os.cpu_count()} processors ({name}), {memory:.0f} GB, Linux {platform.release()}, spool on {disk}"


def generator() -> str:
    return subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split(" [")[0].strip()


if __name__ == "__main__":
    main(sys.argv[1:])

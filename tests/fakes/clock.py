"""The clocks of the machine, wrong: what a Python program that is started with `environ` reads is ahead of the truth."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.fakes.daemon import ROOT

_CUSTOM = """
import time

_time, _clock_gettime = time.time, time.clock_gettime
time.time = lambda: _time() + {clock}
time.clock_gettime = lambda which: _clock_gettime(which) + ({uptime} if which == time.CLOCK_BOOTTIME else 0)
"""


def environ(folder: Path, clock: timedelta = timedelta(0), uptime: timedelta = timedelta(0)) -> dict[str, str]:
    """`clock` tells the date, `uptime` is the time since the machine was started."""
    made = folder / f"ahead-{clock.total_seconds():.0f}-{uptime.total_seconds():.0f}"
    made.mkdir(exist_ok=True)
    (made / "sitecustomize.py").write_text(_CUSTOM.format(clock=clock.total_seconds(), uptime=uptime.total_seconds()))
    return {"PYTHONPATH": f"{made}:{ROOT}"}


def later(folder: Path, passed: timedelta) -> dict[str, str]:
    """So much later, the machine running."""
    return environ(folder, passed, passed)

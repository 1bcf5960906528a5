"""In a process of its own: what forks has to have but one thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lightspeed_stack.daemon import trial
from lightspeed_stack.daemon.config import ConfigError, Fault
from tests.fakes.daemon import ROOT

LONG = 20.0


def tried(attempt: Callable[[], object], seconds: float = LONG) -> list[Fault]:
    try:
        trial.run(lambda: attempt() and None, seconds)
    except ConfigError as error:
        return list(error.faults)
    return []


def fail(error: Exception) -> None:
    raise error


def check(folder: Path) -> None:
    faults = [Fault("file", f"key.{number}", "x" * 1000) for number in range(200)]
    assert tried(lambda: fail(ConfigError(*faults))) == faults
    assert tried((folder / "none").read_text) == [Fault(str(folder / "none"), "", "No such file or directory")]
    assert tried(lambda: fail(LookupError("hunter2"))) == [Fault("", "", "a worker can't start with it: LookupError")]
    assert tried(lambda: time.sleep(LONG), 0.1) == [Fault("", "", "it could not be tried within 0.1 seconds")]
    assert tried(lambda: os._exit(0))
    assert tried(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert not tried((folder / "made").mkdir)
    assert (folder / "made").is_dir()


def test_what_goes_wrong_is_told_and_goes_wrong_elsewhere(tmp_path: Path) -> None:
    program = f"""
import pathlib, signal
from tests.daemon import test_trial
signal.signal(signal.SIGTERM, lambda *_: print("the handler of another process was called"))
test_trial.check(pathlib.Path({str(tmp_path)!r}))
print("done")
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr

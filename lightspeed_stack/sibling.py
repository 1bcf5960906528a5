"""Hand over to the collector, a program of its own: found beside this one or on the PATH, never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn


def find(program: str) -> list[str]:
    """The command for `program`: beside this interpreter (a virtual environment), else as a module of it."""
    beside = Path(sys.executable).with_name(program)
    return [str(beside)] if os.access(beside, os.X_OK) else [sys.executable, "-m", program.replace("-", "_")]


def execute(program: str, arguments: list[str]) -> NoReturn:
    """Become `program`; never returns."""
    command = find(program) + arguments
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def call(program: str, arguments: list[str]) -> int:
    """Run `program` to its end with our own streams; returns its exit status."""
    return subprocess.run(find(program) + arguments, check=False).returncode  # noqa: S603 - our own program

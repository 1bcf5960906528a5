"""A program of ours as a real process: started, waited for, talked to, stopped, its log kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.fakes import starter
from tests.fakes.starter import ROOT, Run

DEADLINE_SECONDS = 30


class Process:
    """`command` until the block ends; `wait_for(pattern)` waits for a line of its stderr.

    What is measured begins anew; with `forks` the process comes, sooner, from one that has the program loaded.
    """

    forks = False

    def __init__(self, command: list[str], environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        self._command = command
        self._more = environ or {}
        self._cwd = cwd or ROOT
        self.log: list[str] = []
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        with open(writing, "wb") as stderr:
            self.popen = self._start(stderr.fileno())
        self._stderr = open(reading)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _start(self, stderr: int) -> subprocess.Popen[bytes] | Run:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self._more}
        loaded = _loaded(self._command) if self.forks else None
        with open(os.devnull, "wb") as nothing:
            if loaded and starter.suits(self._more):
                arguments = self._command[3:]
                return starter.started(loaded, "").start(arguments, environ, self._cwd, nothing.fileno(), stderr)
            return subprocess.Popen(self._command, env=environ, cwd=self._cwd, stdout=nothing, stderr=stderr)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> None:
        for line in self._stderr:
            with self._changed:
                self.log.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, pattern: str, seconds: float = DEADLINE_SECONDS, times: int = 1) -> re.Match[str]:
        """The first match of `pattern` in the log; fails with the whole log when not so many come."""
        found: list[re.Match[str]] = []

        def seen() -> bool:
            found[:] = [match for line in self.log if (match := re.search(pattern, line))]
            return len(found) >= times or self._ended

        with self._changed:
            self._changed.wait_for(seen, seconds)
        assert len(found) >= times, f"no {pattern!r} in the log of {self._command}:\n" + "\n".join(self.log)
        return found[0]

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        return self.popen.wait(seconds)

    def stop(self) -> int:
        """SIGTERM, then wait for the end; the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            status = self.popen.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise
        self._reader.join(DEADLINE_SECONDS)
        self._stderr.close()
        return status


def _loaded(command: list[str]) -> str | None:
    """Which starter has what this command runs, if one has it."""
    if command[:2] != [sys.executable, "-m"]:
        return None
    return next((what for what in reversed(starter.LOADED) if what.split() == command[2 : 2 + len(what.split())]), None)


def merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid upon it, mapping by mapping."""
    result = dict(base)
    for key, value in over.items():
        result[key] = (
            merged(result[key], value) if isinstance(result.get(key), dict) and isinstance(value, Mapping) else value
        )
    return result


class Stack(Process):
    """lightspeed-stack on a free port with everything under `folder`; `overrides` is merged into its configuration."""

    def __init__(
        self, folder: Path, overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.transcripts = folder / "spool" / "transcripts"
        self.feedback = folder / "spool" / "feedback"
        self.config = merged(
            {
                "name": "test",
                "state_dir": str(folder / "state"),
                "service": {"host": "127.0.0.1", "port": 0, "workers": 2, "threads": 16},
                "user_data_collection": {
                    "feedback_enabled": True,
                    "feedback_storage": str(self.feedback),
                    "transcripts_enabled": True,
                    "transcripts_storage": str(self.transcripts),
                },
            },
            overrides or {},
        )
        self.file = folder / "lightspeed-stack.yaml"
        super().__init__([sys.executable, "-m", "lightspeed_stack", "--config", str(self.file)], environ)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(yaml.safe_dump(self.config))
        super().__enter__()
        self.url = self.wait_for(r"ready: Serving at (https?://[^, ]+)").group(1)
        return self


class Ingress(Process):
    """The reference ingress on a free port, storing under `folder`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.store = folder / "ingress"
        command = [sys.executable, "-m", "lightspeed_collector", "ingress", "--port", "0", "--store", str(self.store)]
        super().__init__([*command, *options])

    def __enter__(self) -> Self:
        super().__enter__()
        base = self.wait_for(r"ready: Serving at (https?://[^, ]+)").group(1)
        self.url = f"{base}/api/ingress/v1/upload"
        return self


def collector(config: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`lightspeed-collector --config CONFIG ARGUMENTS`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "lightspeed_collector", "--config", str(config), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

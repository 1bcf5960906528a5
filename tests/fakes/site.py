"""A host with a spool, a configuration and the real collector on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.fakes import starter
from tests.fakes.daemon import ROOT, Process, merged

CONVERSATION = "ad14e9de-72d6-42a3-98bf-017e9c0a6b89"
DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stdout)
        return found


class Site:
    """`settings` go into data_collector; spool, state and configuration are in `folder`."""

    def __init__(self, folder: Path, url: str = "http://127.0.0.1:9/", **settings: Any) -> None:
        self.folder = folder
        self.transcripts = folder / "spool" / "transcripts"
        self.feedback = folder / "spool" / "feedback"
        self.state = folder / "state"
        self.file = folder / "lightspeed-stack.yaml"
        for storage in (self.transcripts, self.feedback):
            storage.mkdir(parents=True)
        self._settings: dict[str, Any] = {
            "enabled": True,
            "ingress_server_url": url,
            "ingress_content_service_name": "lightspeed",
            "state_dir": str(self.state),
            "retry_wait_seconds": 0.01,
            "max_record_age": None,
        }
        self._made = 0
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write the configuration with these settings of data_collector changed."""
        self._settings = merged(self._settings, settings)
        part = {
            "feedback_enabled": True,
            "feedback_storage": str(self.feedback),
            "transcripts_enabled": True,
            "transcripts_storage": str(self.transcripts),
            "data_collector": self._settings,
        }
        self.file.write_text(yaml.safe_dump({"user_data_collection": part}))

    @property
    def quarantine(self) -> Path:
        return self.state / "quarantine"

    def put(
        self,
        count: int = 1,
        storage: str = "transcripts",
        content: bytes | None = None,
        conversation: str = CONVERSATION,
        age: timedelta = timedelta(hours=1),
    ) -> dict[str, bytes]:
        """Write records as the stack would; returns them by member, oldest first."""
        made = {}
        for _ in range(count):
            self._made += 1
            moment = datetime(2025, 8, 4, 16, 59, tzinfo=UTC) + timedelta(milliseconds=self._made)
            if age != timedelta(hours=1):
                moment = datetime.now(UTC) - age + timedelta(milliseconds=self._made)
            name = f"{moment:%Y%m%dT%H%M%S.%fZ}_{conversation}_{self._made:08x}.json"
            data = content if content is not None else record(self._made, conversation)
            folder = self.folder / "spool" / storage
            draft = folder / f".{name}"
            draft.write_bytes(data)
            draft.rename(folder / name)
            made[f"{storage}/{name}"] = data
        return made

    def path(self, member: str) -> Path:
        return self.folder / "spool" / member

    @property
    def waiting(self) -> dict[str, bytes]:
        """The records in the spool, by member."""
        return {
            f"{folder.name}/{path.name}": path.read_bytes()
            for folder in (self.feedback, self.transcripts)
            for path in sorted(folder.glob("[0-9]*.json"))
            if path.is_file() and not path.is_symlink()
        }

    @property
    def quarantined(self) -> dict[str, bytes]:
        return {
            f"{path.parent.name}/{path.name}": path.read_bytes()
            for path in sorted(self.quarantine.glob("*/[0-9]*.json"))
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "lightspeed_collector", "--config", str(self.file), *arguments]

    def collector(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        user: int | None = None,
    ) -> Finished:
        """Run a command to its end; fails if it shows a traceback."""
        began = time.monotonic()
        words, wanted = [*prefix, *self.command(*arguments)], {**_environment(), **(environ or {})}
        if prefix or user is not None or not starter.suits(environ or {}):
            done = subprocess.run(
                words, env=wanted, cwd=self.folder, capture_output=True, text=True, timeout=DEADLINE_SECONDS, user=user
            )
        else:
            done = starter.started().run(words[3:], wanted, self.folder, DEADLINE_SECONDS)
        assert "Traceback" not in done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def run(self, *arguments: str, **options: Any) -> Finished:
        """`run --json`."""
        return self.collector("run", "--json", *arguments, **options)

    def start(self, *arguments: str, prefix: tuple[str, ...] = (), environ: Mapping[str, str] | None = None) -> Process:
        return Process([*prefix, *self.command(*arguments)], environ, self.folder)


def record(number: int, conversation: str = CONVERSATION) -> bytes:
    return json.dumps({"metadata": {"conversation_id": conversation}, "redacted_query": f"question {number}"}).encode()


def _environment() -> dict[str, str]:
    hidden = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "LIGHTSPEED_STACK_CONFIG", "NOTIFY_SOCKET")
    kept = {name: value for name, value in os.environ.items() if name.upper() not in hidden}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}

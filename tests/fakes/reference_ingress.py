"""The reference ingress as a real process on a free port, and what its far side can see."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.fakes.daemon import Process

LIMIT = 100_000
REQUEST_ID = "x-rh-insights-request-id"
COMMAND = [sys.executable, "-m", "lightspeed_collector"]


class Ingress(Process):
    """`folder` is its store unless `--store` says otherwise; `under` is a command that runs it."""

    def __init__(
        self, folder: Path, *options: str, environ: Mapping[str, str] | None = None, under: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.notifications = folder / "notifications.jsonl"
        where = ["--port", "0", "--store", str(folder)]
        super().__init__([*under, *COMMAND, "ingress", *where, *options], environ)

    def __enter__(self) -> Self:
        super().__enter__()
        self.base = self.wait_for(r"ready: Serving at (https?://[^, ]+)").group(1)
        self.url = self.base + "/api/ingress/v1/upload"
        return self

    def stored(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*.tar.gz"))

    def drafts(self) -> list[Path]:
        return sorted(self.folder.glob(".*.draft"))

    def told(self) -> list[dict[str, Any]]:
        if not self.notifications.exists():
            return []
        return [json.loads(line) for line in self.notifications.read_text().splitlines()]

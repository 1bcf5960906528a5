"""A run in which everything happens: two batches, a record that is none, a conversation to forget.

The audit at the end is the promise: every record was delivered once, or is where a reason says why not.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.site import Finished, Site

STRIDE = int(os.environ.get("LIGHTSPEED_CRASH_STRIDE", "197"))
Point = TypeVar("Point")
FORGOTTEN = "f0f0f0f0-0000-4000-8000-000000000000"


class Scenario:
    def __init__(self, folder: Path, ingress: FaultyIngress, *, cleanup: bool = True) -> None:
        self.site = Site(folder, ingress.url, max_archive_bytes=8192, cleanup_after_send=cleanup)
        self.ingress = ingress
        self.cleanup = cleanup
        self.trace = folder / "trace"
        self.good = {**self.site.put(3), **self.site.put(2, "feedback")}
        self.bad = self.site.put(1, content=b"no record")
        self.forgotten = self.site.put(2, conversation=FORGOTTEN)
        (self.site.transcripts / f".forget_{FORGOTTEN}_00000001").touch()

    def run(self, prefix: tuple[str, ...] = ()) -> Finished:
        return self.site.run(prefix=prefix, environ=strace.ENVIRON if prefix else None)

    def audit(self) -> None:
        """After a run that nothing disturbed."""
        delivered = self.ingress.deliveries
        assert sorted(delivered) == sorted(self.good), "each record once, as the same bytes under the same batch id"
        assert self.ingress.records == self.good
        assert self.site.quarantined == self.bad
        assert self.site.waiting == ({} if self.cleanup else self.good)
        assert list((self.site.state / "outgoing").iterdir()) == []
        assert [path.name for path in self.site.transcripts.iterdir() if path.name.startswith(".")] == []


def every_call(found: dict[str, int]) -> list[tuple[str, int]]:
    """All that were counted, by name and number."""
    return [(name, number) for name in sorted(found) for number in range(1, found[name] + 1)]


def sample(points: Sequence[Point], skip: int = STRIDE // 2) -> Sequence[Point]:
    """Each `STRIDE`th, from some point on, and one at least; all of them for 1."""
    return points[skip % max(1, min(STRIDE, len(points))) :: STRIDE]

"""What a run did, counted: the line at its end, `run --json`, the totals."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from lightspeed_collector import events
from lightspeed_collector.errors import Error, Stopped
from lightspeed_stack.daemon import exits

log = logging.getLogger(__name__)

_SHOWN = 3
_WORST_FIRST = (
    exits.CONFIG,
    exits.IOERR,
    exits.CANTCREAT,
    exits.UNAVAILABLE,
    exits.TEMPFAIL,
    exits.DATAERR,
)


@dataclass
class Report:
    """`bytes` are those of accepted archives; `refused` counts uploads that were answered and not accepted; `left` is
    None as long as nobody could look."""

    sent: int = 0
    batches: int = 0
    bytes: int = 0
    left: int | None = None
    quarantined: int = 0
    dropped: int = 0
    refused: int = 0
    forgotten: int = 0
    repeated: int = 0
    request_ids: list[str] = field(default_factory=list)
    problems: dict[int, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def problem(self, error: Error) -> None:
        """Something that the exit status tells; the same is told once, and only the first few of a kind one by one."""
        if str(error) in self.told:
            return
        seen = self.problems[error.status] = self.problems.get(error.status, 0) + 1
        if seen <= _SHOWN:
            self.told.add(str(error))
            event = events.INGRESS_REFUSED if error.status == exits.UNAVAILABLE else events.PROBLEM
            level = logging.INFO if isinstance(error, Stopped) else logging.ERROR
            log.log(level, "%s", error, extra=events.fields(event, status=error.status))

    def counted(self, status: int) -> None:
        """The exit status is to tell of something that has been logged."""
        self.problems.setdefault(status, 0)

    @property
    def status(self) -> int:
        """The exit status: the one that an operator should look at first."""
        return next((status for status in _WORST_FIRST if status in self.problems), exits.OK)

    def as_json(self, seconds: float) -> dict[str, Any]:
        return {
            "sent": self.sent,
            "batches": self.batches,
            "bytes": self.bytes,
            "left": self.left,
            "quarantined": self.quarantined,
            "dropped": self.dropped,
            "refused": self.refused,
            "seconds": round(seconds, 3),
            "request_ids": self.request_ids,
        }

    def totals(self) -> dict[str, float]:
        keys = ("sent", "batches", "bytes", "quarantined", "dropped", "refused", "forgotten", "repeated")
        return {key: getattr(self, key) for key in keys}

    def line(self, seconds: float) -> str:
        left = "an unknown number" if self.left is None else str(self.left)
        parts = [f"sent {self.sent} records in {self.batches} batches ({self.bytes} bytes)", f"{left} left"]
        parts += [f"{value} {key}" for key in ("quarantined", "dropped", "forgotten") if (value := getattr(self, key))]
        more = sum(max(0, count - _SHOWN) for count in self.problems.values())
        if more:
            parts.append(f"{more} more problems")
        return f"{', '.join(parts)}, in {seconds:.1f} s"

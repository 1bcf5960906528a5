"""Whether questions can be answered and records kept, and if not, what is wrong.

A report serves for `MAX_AGE_SECONDS`, however often it is asked for, so that probes cost the providers, the database
and the disk little. What can't be used makes the service not ready; what is short makes it degraded.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightspeed_stack.spool import Spool, SpoolError

if TYPE_CHECKING:
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.providers.base import Provider

log = logging.getLogger(__name__)

MAX_AGE_SECONDS = 2.0
NEARLY_FULL = 2  # times the reserve that is kept free


@dataclass(frozen=True)
class Report:
    unhealthy: Mapping[str, str]
    broken: tuple[str, ...]
    short: tuple[str, ...]

    @property
    def ready(self) -> bool:
        return not self.unhealthy and not self.broken

    @property
    def status(self) -> str:
        return "unhealthy" if not self.ready else "degraded" if self.short else "healthy"

    @property
    def impacts(self) -> tuple[str, ...]:
        return (
            *(f"Provider {name}: {message}" for name, message in self.unhealthy.items()),
            *self.broken,
            *self.short,
        )

    def as_json(self) -> dict[str, object]:
        return {
            "ready": self.ready,
            "reason": self._reason(),
            "overall_status": self.status,
            "impacts": list(self.impacts) or None,
            "providers": [
                {"provider_id": name, "status": "Error", "message": message} for name, message in self.unhealthy.items()
            ],
        }

    def _reason(self) -> str:
        if self.unhealthy:
            return f"Providers not healthy: {', '.join(self.unhealthy)}"
        if self.broken:
            return self.broken[0]
        return self.short[0] if self.short else "All providers are healthy"


class Health:
    def __init__(
        self,
        providers: Sequence[Provider],
        ping_database: Callable[[], None],
        spools: Callable[[], Mapping[str, Spool]],
        min_free_bytes: int,
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        """`spools` tells those that are written to now."""
        self._providers = providers
        self._ping_database = ping_database
        self._spools = spools
        self._min_free_bytes = min_free_bytes
        self._max_age_seconds = max_age_seconds
        self._report: Report | None = None
        self._until = 0.0
        self._looking = threading.Lock()

    def note_start(self, metrics: Metrics) -> None:
        """Tell what is missing at the start. No report serves for the next who asks: much may be different by then."""
        report = self._look()
        metrics.started_degraded(report.status != "healthy")
        if report.impacts:
            log.warning("started, but something is missing: %s", "; ".join(report.impacts))

    def report(self) -> Report:
        """While somebody looks, others get the report of before: who is slow to answer must not hold them all."""
        known = self._report
        if known is None:
            with self._looking:
                return self._fresh()
        if time.monotonic() < self._until or not self._looking.acquire(blocking=False):
            return known
        try:
            return self._fresh()
        finally:
            self._looking.release()

    def _fresh(self) -> Report:
        if self._report is None or time.monotonic() >= self._until:
            self._report = self._look()
            self._until = time.monotonic() + self._max_age_seconds
        return self._report

    def _look(self) -> Report:
        told = {provider.name: provider.health() for provider in self._providers}
        unhealthy = {name: message for name, message in told.items() if message is not None}
        spools = self._spools()
        broken = (*self._database(), *(message for kind, spool in spools.items() for message in _broken(kind, spool)))
        return Report(unhealthy, broken, () if broken else self._short_of_room(spools))

    def _database(self) -> tuple[str, ...]:
        try:
            self._ping_database()
        except Exception:  # noqa: BLE001 - whatever the driver raises, the database can't be used
            return ("The database cannot be used",)
        return ()

    def _short_of_room(self, spools: Mapping[str, Spool]) -> tuple[str, ...]:
        return tuple(
            f"The disk for {kind} is nearly full"
            for kind, spool in spools.items()
            if _free_bytes(spool.directory) < self._min_free_bytes * NEARLY_FULL
        )


def _broken(kind: str, spool: Spool) -> tuple[str, ...]:
    try:
        spool.check()
    except SpoolError as error:
        return (
            f"The storage for {kind} is full" if error.cause == "full" else f"The storage for {kind} is not writable",
        )
    return ()


def _free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize

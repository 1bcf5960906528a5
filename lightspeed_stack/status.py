"""How the installation fares, as numbers for GET /v1/status: the spool, records by the hour, feedback by the day,
providers, and what the collector publishes. A part that can't be told is left out and named among the problems, without
the paths that the log has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lightspeed_stack import latency, published, tally
from lightspeed_stack.database import DatabaseError
from lightspeed_stack.spool import SpoolError

if TYPE_CHECKING:
    from lightspeed_stack.config import UserDataCollection
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.spool import Spool

HOURS = 48
DAYS = 30
OPT_OUTS = "ls_opt_outs_total"

log = logging.getLogger(__name__)


class Status:
    def __init__(
        self,
        collection: UserDataCollection,
        spools: Mapping[str, Spool],
        counts_since: Callable[[datetime], tally.Counts],
        metrics: Metrics,
    ) -> None:
        self._collection = collection
        self._spools = spools
        self._counts_since = counts_since
        self._metrics = metrics

    def gather(self, now: datetime) -> dict[str, Any]:
        """As JSON; never raises."""
        problems: list[str] = []
        counts = self._counts(now, problems)
        samples = self._metrics.samples()
        told = published.read(self._collection.status_file)
        kinds = self._kinds(problems)
        return {
            "now": _time(now),
            "spool": {"kinds": kinds, **_limit(kinds, told.content or {})},
            "hours": hours(counts, now),
            "days": days(counts, now),
            "providers": [asdict(line) for line in latency.table(samples)],
            "opted_out": {labels["kind"]: int(value) for name, labels, value in samples if name == OPT_OUTS},
            "collector": {"sent_to": self._collection.sent_to, "state": told.state, "published": told.content},
            "problems": problems,
        }

    def _counts(self, now: datetime, problems: list[str]) -> tally.Counts:
        try:
            return self._counts_since(_midnight(now) - timedelta(days=DAYS - 1))
        except DatabaseError as error:
            log.warning("the records of the last days can't be told: %s", error)
            problems.append("The database cannot be used.")
            return {}

    def _kinds(self, problems: list[str]) -> list[dict[str, Any]]:
        found = []
        for kind, spool in self._spools.items():
            try:
                usage = spool.usage()
            except SpoolError as error:
                log.warning("how full a spool is can't be told: %s", error)
                problems.append(f"The storage for {kind} cannot be read.")
                continue
            oldest = _time(usage.oldest) if usage.oldest else None
            found.append({"kind": kind, "records": usage.records, "bytes": usage.bytes, "oldest_at": oldest})
        return found


def hours(counts: tally.Counts, now: datetime) -> list[dict[str, Any]]:
    """Records of the last `HOURS`, this one last."""
    this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begun = [this - timedelta(hours=back) for back in reversed(range(HOURS))]
    kinds = (tally.TRANSCRIPTS, tally.FEEDBACK)
    return [{"hour": _time(hour), **{kind: counts.get((hour, kind), 0) for kind in kinds}} for hour in begun]


def days(counts: tally.Counts, now: datetime) -> list[dict[str, Any]]:
    """Feedback of the last `DAYS` days in UTC, today last."""
    dates = [(_midnight(now) - timedelta(days=back)).date() for back in reversed(range(DAYS))]
    found = {date: {tally.POSITIVE: 0, tally.NEGATIVE: 0} for date in dates}
    for (hour, kind), count in counts.items():
        if kind in (tally.POSITIVE, tally.NEGATIVE) and hour.date() in found:
            found[hour.date()][kind] += count
    return [{"day": date.isoformat(), **found[date]} for date in dates]


def _limit(kinds: list[dict[str, Any]], content: Mapping[str, Any]) -> dict[str, Any]:
    """What the collector says that the spool may grow to, and how much of that it has."""
    limits = content.get("limits")
    limit = limits.get("spool_bytes") if isinstance(limits, dict) else None
    if not isinstance(limit, int) or limit <= 0:
        return {"limit_bytes": None, "share": None}
    return {"limit_bytes": limit, "share": sum(kind["bytes"] for kind in kinds) / limit}


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

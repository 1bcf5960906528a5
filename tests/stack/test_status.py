from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lightspeed_stack import status
from lightspeed_stack.config import UserDataCollection
from lightspeed_stack.database import DatabaseError
from lightspeed_stack.metrics import Metrics
from lightspeed_stack.spool import Spool
from lightspeed_stack.status import Status
from lightspeed_stack.tally import Counts

NOW = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)


def gathered(
    folder: Path,
    counts: Counts | None = None,
    metrics: Metrics | None = None,
    published: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """With a spool in `folder`; no `counts` means a database that fails."""
    file = folder / "status.json"
    if published is not None:
        file.write_text(json.dumps(published))
    collection = UserDataCollection(True, folder, True, folder, "hmac", 0, "ingress.example", file)

    def since(first: datetime) -> Counts:
        if counts is None:
            raise DatabaseError("c.db: gone")
        return {key: count for key, count in counts.items() if key[0] >= first}

    return Status(collection, {"transcripts": Spool(folder, 0)}, since, metrics or Metrics(None)).gather(NOW)


def test_the_last_hours_end_with_this_one() -> None:
    counts = {(HOUR, "transcripts"): 3, (HOUR, "feedback"): 1, (HOUR - timedelta(hours=47), "transcripts"): 2}
    told = status.hours({**counts, (HOUR - timedelta(hours=48), "transcripts"): 9}, NOW)
    assert len(told) == 48
    assert told[0] == {"hour": "2026-02-27T11:00:00Z", "transcripts": 2, "feedback": 0}
    assert told[-1] == {"hour": "2026-03-01T10:00:00Z", "transcripts": 3, "feedback": 1}
    assert sum(hour["transcripts"] for hour in told) == 5


def test_the_last_days_end_with_today_and_add_up_their_hours() -> None:
    counts = {(HOUR, "positive"): 2, (HOUR.replace(hour=0), "positive"): 1, (HOUR - timedelta(days=1), "negative"): 4}
    told = status.days({**counts, (HOUR - timedelta(days=30), "negative"): 9, (HOUR, "feedback"): 7}, NOW)
    assert len(told) == 30
    assert told[0] == {"day": "2026-01-31", "positive": 0, "negative": 0}
    assert told[-2:] == [
        {"day": "2026-02-28", "positive": 0, "negative": 4},
        {"day": "2026-03-01", "positive": 3, "negative": 0},
    ]
    assert sum(day["negative"] for day in told) == 4


def test_the_spool_is_told_with_its_share_of_the_limit(tmp_path: Path) -> None:
    Spool(tmp_path, 0).put("c", b"x" * 250, NOW)
    spool = gathered(tmp_path, {}, published={"limits": {"spool_bytes": 1000}})["spool"]
    kind = {"kind": "transcripts", "records": 1, "bytes": 250, "oldest_at": "2026-03-01T10:30:00Z"}
    assert spool == {"kinds": [kind], "limit_bytes": 1000, "share": 0.25}


def test_an_unknown_limit_has_no_share(tmp_path: Path) -> None:
    for published in (None, {}, {"limits": None}, {"limits": {"spool_bytes": None}}, {"limits": {"spool_bytes": 0}}):
        spool = gathered(tmp_path, {}, published=published)["spool"]
        assert (spool["limit_bytes"], spool["share"]) == (None, None)


def test_providers_and_opt_outs_are_told_from_the_metrics(tmp_path: Path) -> None:
    metrics = Metrics(None)
    metrics.answered("openai", "m", "/v1/query", 0.2, 1, 1)
    metrics.failed("openai", "m", "/v1/query", 0.2)
    metrics.opted_out("transcripts")
    told = gathered(tmp_path, {}, metrics)
    [line] = told["providers"]
    assert (line["provider"], line["model"], line["answers"], line["failures"]) == ("openai", "m", 1, 1)
    assert line["mean_seconds"] == 0.2
    assert 0.1 < line["p50_seconds"] < line["p95_seconds"] <= 0.25
    assert told["opted_out"] == {"transcripts": 1}


def test_what_the_collector_publishes_is_passed_on(tmp_path: Path) -> None:
    published = {"sent_total": 5, "runs": []}
    assert gathered(tmp_path, {}, published=published)["collector"] == {
        "sent_to": "ingress.example",
        "state": "published",
        "published": published,
    }


def test_a_part_that_fails_is_named_and_the_rest_told(tmp_path: Path) -> None:
    told = gathered(tmp_path)
    assert told["problems"] == ["The database cannot be used."]
    assert len(told["hours"]) == 48
    assert told["collector"]["state"] == "missing"
    (tmp_path / "spool").write_text("no folder")
    told = gathered(tmp_path / "spool" / "x", {})
    assert told["spool"]["kinds"] == []
    assert told["problems"] == ["The storage for transcripts cannot be read."]

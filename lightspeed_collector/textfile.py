"""What other programs read after each run: metrics for Prometheus' textfile collector, and a small public status file.

Both appear whole or not at all, and hold counts and times only: no name, no address, no secret.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from lightspeed_collector.config import Collector
from lightspeed_collector.durable import replace
from lightspeed_collector.history import History, Run
from lightspeed_collector.quarantine import Quarantine
from lightspeed_collector.waiting import Survey
from lightspeed_stack.daemon import exits

log = logging.getLogger(__name__)

PREFIX = "lightspeed_collector_"
_RUNS_SHOWN = 10
_RUNS_LOOKED_AT = 200
OUTCOMES = {
    exits.OK: "done",
    exits.DATAERR: "quarantined",
    exits.UNAVAILABLE: "refused",
    exits.CANTCREAT: "state",
    exits.IOERR: "spool",
    exits.TEMPFAIL: "busy",
    exits.CONFIG: "configuration",
}
_TOTALS = {
    "sent": ("records_sent_total", "Records that the ingress accepted."),
    "batches": ("batches_sent_total", "Batches that the ingress accepted."),
    "bytes": ("bytes_sent_total", "Bytes of accepted archives."),
    "quarantined": ("records_quarantined_total", "Records set aside because they can't be sent."),
    "dropped": ("records_dropped_total", "Records dropped unsent by the limits of the spool."),
    "forgotten": ("records_forgotten_total", "Records removed unsent because their conversation was deleted."),
    "refused": ("uploads_refused_total", "Uploads that were answered and not accepted."),
    "repeated": ("batches_repeated_total", "Batches that an earlier run had claimed and this one sent again."),
}


def write(settings: Collector, history: History, survey: Survey, quarantine: Quarantine) -> None:
    """Write the files that are configured; that one can't be written costs the run nothing but a warning."""
    if settings.metrics_textfile:
        lines = [*_gauges(settings, history, survey, quarantine), *_counters(history)]
        _write("metrics_textfile", settings.metrics_textfile, "".join(lines))
    if settings.status_file:
        _write("status_file", settings.status_file, json.dumps(_status(settings, history, survey, quarantine)) + "\n")


def _write(key: str, path: Path, text: str) -> None:
    try:
        replace(path, text.encode(), 0o644)
    except OSError as error:
        log.warning("%s can't be written: %s: %s", key, path, error.strerror)


def _gauges(settings: Collector, history: History, survey: Survey, quarantine: Quarantine) -> Iterator[str]:
    last = history.runs(1)[0]
    yield _gauge("last_run_timestamp_seconds", "When the last run ended.", last.ended_at)
    yield _gauge("last_run_duration_seconds", "How long the last run took.", last.ended_at - last.started_at)
    yield _gauge("last_run_status", "The exit status of the last run (sysexits.h).", last.status)
    success = history.last_success() or 0
    yield _gauge(
        "last_success_timestamp_seconds", "When a run last ended with nothing left undone, 0 for never.", success
    )
    yield _gauge("interval_seconds", "The configured collection_interval.", settings.collection_interval)
    known = survey.known()
    yield _gauge("spool_records", "Records that wait in the spool.", known["records"])
    yield _gauge("spool_bytes", "Bytes of the records that wait in the spool.", known["bytes"])
    yield _gauge("spool_max_bytes", "The configured max_spool_bytes, 0 for no limit.", settings.max_spool_bytes or 0)
    oldest = None if known["bytes"] is None else survey.oldest or 0
    yield _gauge("spool_oldest_timestamp_seconds", "When the oldest waiting record was made, 0 for none.", oldest)
    yield _gauge("spool_kept_records", "Records that were sent and are still in the spool.", known["kept"])
    yield _gauge("spool_strangers", "Entries of the spool that are not records.", known["strangers"])
    yield _gauge("quarantine_records", "Records in the quarantine.", sum(1 for _ in quarantine.held()))


def _counters(history: History) -> Iterator[str]:
    totals = history.totals()
    for key, (name, text) in _TOTALS.items():
        yield _head(name, text, "counter") + f"{PREFIX}{name} {_number(totals.get(key, 0))}\n"
    yield _head("runs_total", "Runs by how they ended.", "counter")
    for status, outcome in OUTCOMES.items():
        yield f'{PREFIX}runs_total{{outcome="{outcome}"}} {_number(totals.get(f"runs_{status}", 0))}\n'


def _gauge(name: str, text: str, value: float | None) -> str:
    """None is not known: NaN, where a 0 would be misleading (prometheus.io, Instrumentation, Avoid missing metrics)."""
    return _head(name, text, "gauge") + f"{PREFIX}{name} {_number(value)}\n"


def _head(name: str, text: str, kind: str) -> str:
    return f"# HELP {PREFIX}{name} {text}\n# TYPE {PREFIX}{name} {kind}\n"


def _number(value: float | None) -> str:
    if value is None:
        return "NaN"
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def _status(settings: Collector, history: History, survey: Survey, quarantine: Quarantine) -> dict[str, object]:
    runs, known = history.runs(_RUNS_LOOKED_AT), survey.known()
    return {
        "last_run": _run(runs[0]),
        "last_success_at": history.last_success(),
        "next_run_at": runs[0].started_at + settings.collection_interval,
        "waiting": {"records": known["records"], "bytes": known["bytes"], "oldest_at": known["oldest"]},
        "limits": {"spool_bytes": settings.max_spool_bytes, "record_age_seconds": settings.max_record_age},
        "quarantined": sum(1 for _ in quarantine.held()),
        "sent_total": int(history.totals().get("sent", 0)),
        "runs": [_run(run) for run in runs[:_RUNS_SHOWN]],
        "sent": [_run(run) for run in runs if run.report["sent"]][:_RUNS_SHOWN],
    }


def _run(run: Run) -> dict[str, object]:
    counts = {key: run.report[key] for key in ("sent", "batches", "bytes", "left", "dropped", "seconds")}
    return {"ended_at": run.ended_at, "status": run.status, "outcome": OUTCOMES.get(run.status, "unknown"), **counts}

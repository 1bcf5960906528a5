"""The command `status`: what waits, what is on its way, how the last run went, when the next is due. It only looks."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from lightspeed_collector import backoff, history
from lightspeed_collector.config import Config
from lightspeed_collector.database import Database
from lightspeed_collector.history import History
from lightspeed_collector.ledger import Ledger
from lightspeed_collector.quarantine import Quarantine
from lightspeed_collector.report import Report
from lightspeed_collector.sent import Sent
from lightspeed_collector.spool import Spool
from lightspeed_collector.state import State
from lightspeed_collector.stop import Stop
from lightspeed_collector.textfile import OUTCOMES
from lightspeed_collector.waiting import Waiting

MISSING = "missing"


def gather(config: Config, report: Report, stop: Stop, now: float) -> dict[str, Any]:
    """Everything as JSON; raises `StateError`, `LedgerCorrupt`."""
    state = State(config.data_collector.state_dir)
    with closing(Database.reader(state.ledger)) as database, Spool(config.folders, report.problem) as spool:
        ledger, past = Ledger(database), History(database)
        runs = past.runs(1)
        return {
            "enabled": config.data_collector.enabled,
            "spool": _waiting(config, spool, Waiting(spool, Sent(database, spool), stop)),
            "pending": [
                {"id": batch.id, "records": len(batch.members), "bytes": batch.archive_bytes}
                for batch in ledger.claimed() + ledger.accepted()
            ],
            "held_until": ledger.held_until(now, config.data_collector.ingress_server_url or ""),
            "last_run": history.as_json(runs[0]) if runs else None,
            "last_success_at": past.last_success(),
            "next_run_at": runs[0].started_at + config.data_collector.collection_interval if runs else None,
            "quarantine": sum(1 for _ in Quarantine(state.quarantine).held()),
            "totals": {key: int(value) for key, value in past.totals().items()},
        }


def _waiting(config: Config, spool: Spool, waiting: Waiting) -> dict[str, Any]:
    """Nothing is known when none of the folders is there, or one can't be listed."""
    survey = waiting.survey()
    survey.listed = survey.listed and (bool(spool.descriptors) or not config.folders)
    wrong = {storage: f"can't be listed: {reason}" for storage, reason in spool.unlisted.items()}
    wrong |= dict.fromkeys(spool.missing, MISSING)
    folders = {one: {"path": str(path), "problem": wrong.get(one)} for one, path in config.folders.items()}
    return {**survey.known(), "folders": folders}


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    spool = found["spool"]
    shown = [
        ("collector", "enabled" if found["enabled"] else "disabled (enabled: false)"),
        ("waiting", _amount(spool)),
        *((name, f"{one['path']}: {one['problem']}") for name, one in spool["folders"].items() if one["problem"]),
        ("kept", f"{spool['kept']} records were sent and stay" if spool["kept"] else ""),
        ("not records", f"{spool['strangers']} entries of the spool are left alone" if spool["strangers"] else ""),
        ("pending", "; ".join(f"batch {one['id']}: {one['records']} records" for one in found["pending"])),
        ("held", f"the ingress asked for peace until {backoff.at(found['held_until'])}" if found["held_until"] else ""),
        ("last run", _last(found["last_run"])),
        ("last success", backoff.at(found["last_success_at"]) if found["last_success_at"] else "never"),
        ("next run", f"due {backoff.at(found['next_run_at'])}" if found["next_run_at"] else "due"),
        ("quarantine", f"{found['quarantine']} records"),
    ]
    return [f"{name + ':':14}{text}" for name, text in shown if text]


def _amount(spool: dict[str, Any]) -> str:
    if spool["records"] is None:
        return "unknown"
    oldest = f", the oldest of {backoff.at(spool['oldest'])}" if spool["oldest"] else ""
    return f"{spool['records']} records, {spool['bytes']} bytes{oldest}"


def _last(run: dict[str, Any] | None) -> str:
    if run is None:
        return "never"
    report = run["report"]
    outcome = OUTCOMES.get(run["status"], "unknown")
    left = "an unknown number" if report["left"] is None else report["left"]
    return f"{backoff.at(run['ended_at'])}, {outcome} (status {run['status']}): sent {report['sent']}, {left} left"

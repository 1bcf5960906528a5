import json
import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.collector.conftest import Met
from tests.fakes.ingress_faults import answer
from tests.fakes.privileges import bound
from tests.fakes.site import Site


def test_site_that_never_ran(site: Site) -> None:
    site.put(2)
    found = json.loads(site.collector("status", "--json").stdout)
    assert found["spool"]["records"] == 2
    assert (found["last_run"], found["next_run_at"], found["pending"], found["quarantine"]) == (None, None, [], 0)
    assert not site.state.exists()
    assert "never" in site.collector("status").stdout


def test_folder_that_is_missing_is_not_taken_for_an_empty_one(site: Site) -> None:
    site.feedback.rmdir()
    site.put(2)
    spool = json.loads(site.collector("status", "--json").stdout)["spool"]
    assert spool["records"] == 2
    assert spool["folders"] == {
        "feedback": {"path": str(site.feedback), "problem": "missing"},
        "transcripts": {"path": str(site.transcripts), "problem": None},
    }
    assert f"feedback:     {site.feedback}: missing\n" in site.collector("status").stdout
    assert f"{site.feedback}: no such folder, taken for an empty one" in site.run().stderr


def test_nothing_is_known_of_a_spool_that_is_missing(site: Site) -> None:
    shutil.rmtree(site.feedback.parent)
    done = site.collector("status", "--json")
    spool = json.loads(done.stdout)["spool"]
    assert done.status == 0
    assert [spool[key] for key in ("records", "bytes", "oldest", "kept", "strangers")] == [None] * 5
    assert "waiting:      unknown\n" in site.collector("status").stdout


def test_folder_that_can_not_be_listed_makes_no_zeros(site: Site, tmp_path: Path) -> None:
    site.configure(metrics_textfile=str(tmp_path / "m.prom"), status_file=str(tmp_path / "s.json"))
    site.put(1, "feedback")
    site.put(3)
    site.transcripts.chmod(0)
    try:
        run = site.run(prefix=bound())
        done = site.collector("status", "--json", prefix=bound())
        shown = site.collector("status", prefix=bound())
    finally:
        site.transcripts.chmod(0o755)
    assert (run.status, run.report["sent"], run.report["left"]) == (74, 1, None)
    assert "an unknown number left" in run.stderr
    figures = (tmp_path / "m.prom").read_text().splitlines()
    for name in ("records", "bytes", "oldest_timestamp_seconds", "kept_records", "strangers"):
        assert f"lightspeed_collector_spool_{name} NaN" in figures
    assert json.loads((tmp_path / "s.json").read_text())["waiting"] == {
        "records": None,
        "bytes": None,
        "oldest_at": None,
    }
    assert (done.status, shown.status) == (74, 74)
    spool = json.loads(done.stdout)["spool"]
    assert (spool["records"], spool["bytes"]) == (None, None)
    assert spool["folders"]["transcripts"]["problem"] == "can't be listed: Permission denied"
    assert "waiting:      unknown\n" in shown.stdout
    assert f"transcripts:  {site.transcripts}: can't be listed: Permission denied\n" in shown.stdout
    assert "sent 1, an unknown number left" in shown.stdout


def test_run_that_looked_at_nothing_claims_nothing(site: Site) -> None:
    site.put(1)
    site.state.write_text("a file")
    done = site.run()
    assert (done.status, done.report["left"]) == (73, None)


def test_everything_there_is_to_know(meet: Met) -> None:
    site, _ = meet(answer(503, "Retry-After: 600"), collection_interval=300)
    site.put(2, age=timedelta(hours=2))
    site.put(1, content=b"no record")
    (site.transcripts / "x.txt").touch()
    assert site.run().status == 75
    site.put(1)
    found = json.loads(site.collector("status", "--json").stdout)
    assert found["spool"]["records"] == 3
    assert found["spool"]["strangers"] == 1
    assert abs(time.time() - 7200 - found["spool"]["oldest"]) < 60 or found["spool"]["oldest"] < time.time() - 7200
    assert [(batch["records"], batch["bytes"] > 0) for batch in found["pending"]] == [(2, True)]
    assert found["last_run"]["status"] == 75
    assert found["next_run_at"] - found["last_run"]["started_at"] == 300
    assert found["quarantine"] == 1
    assert found["held_until"] > time.time()
    assert found["totals"]["quarantined"] == 1
    shown = site.collector("status").stdout
    for text in (
        "3 records",
        "1 entries of the spool are left alone",
        "2 records",
        "busy (status 75)",
        "peace until",
        "quarantine:   1",
    ):
        assert text in shown


def test_status_only_looks(site: Site) -> None:
    site.put(1)
    site.run()
    before = {path: path.read_bytes() for path in site.state.rglob("*") if path.is_file()}
    assert site.collector("status").status == 0
    assert {path: path.read_bytes() for path in site.state.rglob("*") if path.is_file()} == before


def test_corrupt_ledger_is_told_in_a_line(site: Site) -> None:
    site.state.mkdir()
    (site.state / "ledger.sqlite").write_bytes(b"garbage" * 1000)
    done = site.collector("status")
    assert done.status == 74
    assert len(done.stderr.splitlines()) == 1
    assert "the next run sets it aside and begins a new one" in done.stderr


@pytest.mark.parametrize("command", [("status",), ("history",), ("run", "--dry-run")], ids=" ".join)
def test_who_may_not_look_is_told_who_may(site: Site, command: tuple[str, ...]) -> None:
    assert site.run().status == 0
    site.state.chmod(0)
    try:
        done = site.collector(*command, prefix=bound())
    finally:
        site.state.chmod(0o700)
    assert done.status == 73
    assert done.stderr.rstrip().endswith("Permission denied: ask as root or as the collector's user")

"""The metrics and the status file, as other programs read them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.collector.conftest import Met
from tests.fakes.ingress_faults import accept, answer
from tests.fakes.site import Site


def metrics(path: Path) -> dict[str, float]:
    families = text_string_to_metric_families(path.read_text())
    return {
        sample.name.removeprefix("lightspeed_collector_") + "".join(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_tell_how_runs_went(meet: Met, tmp_path: Path) -> None:
    file = tmp_path / "lightspeed.prom"
    site, _ = meet(answer(403), accept(), metrics_textfile=str(file), max_spool_bytes=1000, collection_interval=600)
    site.put(1, content=b"no record")
    site.put(2)
    site.run()
    found = metrics(file)
    assert (found["last_run_status"], found["last_success_timestamp_seconds"]) == (69, 0)
    assert (found["spool_records"], found["spool_max_bytes"], found["interval_seconds"]) == (2, 1000, 600)
    assert (found["quarantine_records"], found["uploads_refused_total"]) == (1, 1)
    assert found["spool_oldest_timestamp_seconds"] > 1_700_000_000
    site.run()
    found = metrics(file)
    assert (found["last_run_status"], found["records_sent_total"], found["spool_records"]) == (0, 2, 0)
    assert (found["batches_sent_total"], found["batches_repeated_total"]) == (1, 1)
    assert (found["runs_totalrefused"], found["runs_totaldone"]) == (1, 1)
    assert found["last_success_timestamp_seconds"] == found["last_run_timestamp_seconds"] > 0
    assert found["bytes_sent_total"] > 0


def test_files_are_public_and_whole(site: Site, tmp_path: Path) -> None:
    site.configure(metrics_textfile=str(tmp_path / "m.prom"), status_file=str(tmp_path / "s.json"))
    site.run()
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.is_file()} == {
        "m.prom": 0o644,
        "s.json": 0o644,
    }


def test_status_file_holds_counts_and_times_only(site: Site, tmp_path: Path) -> None:
    site.configure(status_file=str(tmp_path / "s.json"), ingress_server_auth_token="s3cr3t")
    (member,) = site.put(1)
    site.run()
    text = (tmp_path / "s.json").read_text()
    found = json.loads(text)
    assert (found["last_run"]["sent"], found["last_run"]["outcome"], found["sent_total"]) == (1, "done", 1)
    assert found["waiting"] == {"records": 0, "bytes": 0, "oldest_at": None}
    assert not any(secret in text for secret in ("s3cr3t", member.split("/")[1], "127.0.0.1"))


def test_status_file_tells_the_last_runs_and_which_of_them_sent(site: Site, tmp_path: Path) -> None:
    site.configure(status_file=str(tmp_path / "s.json"), max_spool_bytes=5000, max_record_age=86400)
    for count in (2, 0, 3, *[0] * 10):
        site.put(count, age=timedelta(minutes=1))
        site.run()
    found = json.loads((tmp_path / "s.json").read_text())
    assert [run["sent"] for run in found["runs"]] == [0] * 10
    assert [(run["sent"], run["batches"]) for run in found["sent"]] == [(3, 1), (2, 1)]
    assert found["sent"][0]["bytes"] > 0
    assert found["runs"][0] == found["last_run"]
    assert found["limits"] == {"spool_bytes": 5000, "record_age_seconds": 86400}
    assert found["next_run_at"] > found["last_run"]["ended_at"]
    assert found["quarantined"] == 0


@pytest.mark.parametrize("key", ["metrics_textfile", "status_file"])
def test_file_that_can_not_be_written_costs_a_warning(site: Site, tmp_path: Path, key: str) -> None:
    file = tmp_path / "nowhere" / "file"
    site.configure(**{key: str(file)})
    site.put(1)
    done = site.run()
    assert (done.status, done.report["sent"]) == (0, 1)
    assert f"WARNING {key} can't be written: {file}: No such file or directory" in done.stderr

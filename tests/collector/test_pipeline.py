"""A run from start to end, through the real command: what is sent, what stays, what the next run does."""

from __future__ import annotations

import hashlib
import json
import os

from tests.collector.conftest import Met
from tests.fakes.ingress_faults import FaultyIngress, accept, answer, drop_response, too_large
from tests.fakes.site import Site


def test_run_sends_and_deletes_what_waits(site: Site, ingress: FaultyIngress) -> None:
    spooled = {**site.put(3), **site.put(2, "feedback")}
    done = site.run()
    assert done.status == 0
    assert ingress.records == spooled
    assert site.waiting == {}
    assert list((site.state / "outgoing").iterdir()) == []
    assert done.report["sent"] == 5
    assert done.report["batches"] == 1
    assert done.report["left"] == 0
    assert done.report["request_ids"] == ["r-0001"]


def test_upload_keeps_the_ingress_contract(site: Site, ingress: FaultyIngress) -> None:
    site.configure(ingress_server_auth_token="xxyyzz")
    site.put(2)
    site.run()
    (upload,) = ingress.uploads
    assert (upload.method, upload.path) == ("POST", "/api/ingress/v1/upload")
    assert upload.content_type == "application/vnd.redhat.lightspeed.periodic+tar"
    assert upload.headers["authorization"] == "Bearer xxyyzz"
    assert upload.headers["x-rh-insights-request-id"] == upload.batch_id
    assert "transfer-encoding" not in upload.headers
    assert upload.filename == f"{upload.batch_id}.tar.gz"
    assert upload.metadata["custom_metadata"] == {
        "batch_id": upload.batch_id,
        "records": "2",
        "sha256": hashlib.sha256(upload.archive or b"").hexdigest(),
    }


def test_service_null_sends_plain_gzip(meet: Met) -> None:
    site, ingress = meet(ingress_content_service_name=None)
    site.put()
    assert site.run().status == 0
    assert ingress.uploads[0].content_type == "application/gzip"


def test_oldest_records_go_first(meet: Met) -> None:
    site, ingress = meet(max_archive_bytes=8192)
    spooled = {}
    for storage in ("transcripts", "feedback") * 6:
        spooled.update(site.put(1, storage))
    assert site.run().status == 0
    sent = [name for upload in ingress.stored for name in upload.members]
    assert sent == sorted(spooled, key=lambda member: member.split("/")[1])
    assert len(ingress.stored) > 1


def test_empty_spool_is_nothing_to_do(site: Site, ingress: FaultyIngress) -> None:
    done = site.run()
    assert (done.status, done.report["sent"], ingress.uploads) == (0, 0, [])


def test_missing_folders_are_empty_ones(site: Site) -> None:
    site.transcripts.rmdir()
    site.feedback.rmdir()
    assert site.run().status == 0
    assert not site.transcripts.exists()


def test_records_of_a_claim_go_again_as_they_were(meet: Met) -> None:
    site, ingress = meet(answer(503), answer(503), answer(503), answer(503), answer(503), accept())
    spooled = site.put(2)
    assert site.run().status == 75
    later = site.put(2)
    assert site.waiting == spooled | later
    assert site.run().status == 0
    first, *_, again, last = ingress.uploads
    assert (again.batch_id, again.archive) == (first.batch_id, first.archive)
    assert again.members == spooled
    assert last.members == later


def test_disabled_collector_sends_nothing(site: Site, ingress: FaultyIngress) -> None:
    site.configure(enabled=False)
    spooled = site.put()
    done = site.run()
    assert done.status == 0
    assert len(done.stderr.splitlines()) == 1
    assert (site.waiting, ingress.uploads) == (spooled, [])


def test_json_report_has_the_documented_keys(site: Site) -> None:
    site.put()
    report = json.loads(site.run().stdout)
    documented = ["sent", "batches", "bytes", "left", "quarantined", "dropped", "refused", "seconds", "request_ids"]
    assert list(report) == documented


def _noise(site: Site, count: int) -> dict[str, bytes]:
    """Records of 4000 bytes that are not compressed to less than half."""
    made: dict[str, bytes] = {}
    for _ in range(count):
        made.update(site.put(1, content=json.dumps({"noise": os.urandom(2000).hex()}).encode()))
    return made


def test_lower_limit_divides_no_batch_that_may_have_arrived(meet: Met) -> None:
    site, ingress = meet(drop_response(store=True), retry_wait_seconds=1000)
    spooled = _noise(site, 5)
    assert site.run().status == 75
    ingress.script = [accept()]
    site.configure(max_archive_bytes=5000)
    assert site.run().status == 0
    first, again = ingress.uploads
    assert (again.batch_id, again.archive) == (first.batch_id, first.archive)
    assert (ingress.records, site.waiting) == (spooled, {})


def test_ingress_may_divide_a_batch_that_is_over_a_lowered_limit(meet: Met) -> None:
    site, ingress = meet(drop_response(store=False), retry_wait_seconds=1000)
    spooled = _noise(site, 5)
    assert site.run().status == 75
    ingress.script = [too_large(8000)]
    site.configure(max_archive_bytes=8000)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.deliveries)) == (spooled, 5)
    assert [len(upload.archive or b"") > 8000 for upload in ingress.uploads].count(True) == 4

"""What each answer means, and what a run makes of it: kept, split, stopped, tried again."""

from __future__ import annotations

import http
import json
import os

import pytest

from lightspeed_collector.answers import Meaning, describe, meaning
from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes.ingress_faults import accept, answer


@pytest.mark.parametrize("status", [status.value for status in http.HTTPStatus])
def test_only_created_and_accepted_are_acceptance(status: int) -> None:
    assert (meaning(status, b"") is Meaning.ACCEPTED) == (status in (201, 202))


@pytest.mark.parametrize("status", [102, 408, 425, 429, 500, 501, 502, 503, 504, 507, 511, 520, 599])
def test_transient_answers(status: int) -> None:
    assert meaning(status, b"") is Meaning.BUSY


@pytest.mark.parametrize("status", [403, 404, 405, 406, 407, 409, 410, 411, 414, 415, 418, 422, 431, 451])
def test_refusals(status: int) -> None:
    assert meaning(status, b"") is Meaning.REFUSED


@pytest.mark.parametrize("status", [408, 425, 429, 503, 599])
def test_transient_answers_are_tried_again(meet: Met, status: int) -> None:
    site, ingress = meet(answer(status), accept())
    spooled = site.put(2)
    done = site.run()
    assert (done.status, done.report["refused"]) == (0, 1)
    assert ingress.records == spooled


@pytest.mark.parametrize("status", [403, 407, 418, 422])
def test_refusals_end_the_run_at_once_and_keep_everything(meet: Met, status: int) -> None:
    site, ingress = meet(answer(status))
    spooled = site.put(2)
    done = site.run()
    assert (done.status, len(ingress.uploads)) == (69, 1)
    assert site.waiting == spooled
    assert site.quarantined == {}
    (line,) = [line for line in done.stderr.splitlines() if str(status) in line]
    assert "everything is kept" in line


@pytest.mark.parametrize(
    ("status", "key"),
    [
        (401, "ingress_server_auth_token"),
        (403, "ingress_server_auth_token"),
        (404, "ingress_server_url"),
        (405, "ingress_server_url"),
        (200, "ingress_server_url"),
        (302, "ingress_server_url"),
        (415, "ingress_content_service_name"),
        (407, "HTTPS_PROXY"),
    ],
)
def test_refusal_names_the_key_to_look_at(status: int, key: str) -> None:
    assert key in describe(status)


def test_unauthorized_is_tried_once_more_with_the_token_read_anew(meet: Met) -> None:
    site, ingress = meet(answer(401), accept())
    site.put(1)
    assert site.run().status == 0
    assert len(ingress.uploads) == 2


def test_unauthorized_twice_ends_the_run(meet: Met) -> None:
    site, ingress = meet(answer(401))
    spooled = site.put(3)
    assert site.run().status == 69
    assert len(ingress.uploads) == 2
    assert site.waiting == spooled


def test_identity_that_is_refused_is_no_fault_of_a_record(meet: Met) -> None:
    site, ingress = meet(answer(400, body=b"Bad Request: missing x-rh-identity header\n"))
    spooled = site.put(3)
    assert site.run().status == 69
    assert len(ingress.uploads) == 1
    assert site.waiting == spooled


def test_batch_that_was_refused_goes_in_full_once_the_cause_is_gone(meet: Met) -> None:
    site, ingress = meet(answer(403), accept())
    spooled = site.put(3)
    assert site.run().status == 69
    assert site.run().status == 0
    assert ingress.records == spooled


def test_text_of_an_answer_never_reaches_the_log(meet: Met) -> None:
    """It may echo our headers."""
    site, _ = meet(answer(403, "X-Echo: s3cr3t", body=b"your token s3cr3t is bad"), ingress_server_auth_token="s3cr3t")
    site.put(1)
    assert "s3cr3t" not in site.run().stderr


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_record_that_makes_a_batch_malformed_stands_alone_in_the_end(meet: Met, bad: int) -> None:
    site, ingress = meet()
    spooled = site.put(20)
    culprit = sorted(spooled)[bad]
    ingress.script = [faults.only(lambda upload: culprit not in upload.members, 400)]
    done = site.run()
    assert done.status == 65
    assert site.quarantined == {culprit: spooled[culprit]}
    assert ingress.records == {name: data for name, data in spooled.items() if name != culprit}
    assert len(ingress.deliveries) == 19


def test_malformed_whatever_we_send_is_our_fault(meet: Met) -> None:
    site, ingress = meet(answer(400, body=b"File or upload field not found"))
    spooled = site.put(20)
    done = site.run()
    assert (done.status, len(ingress.uploads)) == (69, 4)
    assert site.waiting == spooled
    assert site.quarantined == {}


def test_malformed_single_record_is_kept_until_another_shows_whose_fault_it_is(meet: Met) -> None:
    site, ingress = meet()
    spooled = site.put(1)
    (culprit,) = spooled
    ingress.script = [faults.only(lambda upload: culprit not in upload.members, 400)]
    assert site.run().status == 69
    assert site.waiting == spooled
    other = site.put(1)
    assert site.run().status == 65
    assert ingress.records == other
    assert site.quarantined == spooled


def test_record_too_large_for_the_ingress_is_quarantined_and_those_behind_go(meet: Met) -> None:
    site, ingress = meet()
    spooled = site.put(9)
    culprit = sorted(spooled)[4]
    ingress.script = [faults.only(lambda upload: culprit not in upload.members, 413)]
    done = site.run()
    assert done.status == 65
    assert site.quarantined == {culprit: spooled[culprit]}
    assert len(ingress.deliveries) == len(ingress.records) == 8
    assert "413" in (site.quarantine / f"{culprit}.reason").read_text()


@pytest.mark.parametrize("status", [401, 403, 413, 503])
def test_answer_before_the_body_was_read_is_heard(meet: Met, status: int) -> None:
    site, ingress = meet(faults.early(status))
    spooled = site.put(1, content=json.dumps({"noise": os.urandom(4 << 20).hex()}).encode())
    done = site.run()
    assert done.status == {401: 69, 403: 69, 413: 65, 503: 75}[status]
    assert {**site.waiting, **site.quarantined} == spooled
    assert ingress.stored == []


def test_ingress_that_finds_everything_too_large_does_not_empty_the_spool_into_the_quarantine(meet: Met) -> None:
    site, _ = meet(answer(413))
    spooled = site.put(40)
    done = site.run()
    assert done.status == 69
    assert len(site.quarantined) == 10
    assert {**site.waiting, **site.quarantined} == spooled


@pytest.mark.parametrize("status", [201, 202])
def test_acceptance_of_half_an_upload_is_none(meet: Met, status: int) -> None:
    site, ingress = meet(faults.answer_half(status, 1000), accept())
    spooled = site.put(1, content=json.dumps({"noise": os.urandom(8 << 20).hex()}).encode())
    done = site.run()
    assert (done.status, done.report["refused"]) == (0, 0)
    assert "before it had all of the upload" in done.stderr
    assert (ingress.records, len(ingress.uploads), site.waiting) == (spooled, 2, {})


def test_acceptance_before_the_upload_has_left_this_machine_is_none(meet: Met) -> None:
    """The kernel takes some megabytes at once: that all was handed over does not mean that any of it arrived."""
    site, ingress = meet(faults.answer_late(202, 0.75), accept(), connection_timeout_seconds=0.5)
    spooled = site.put(1, content=json.dumps({"noise": os.urandom(300_000).hex()}).encode())
    done = site.run()
    assert (done.status, done.report["refused"]) == (0, 0)
    assert ingress.records == spooled
    assert len(ingress.uploads) > 1

"""Trying again, waiting, Retry-After over several runs."""

import json
import signal
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.collector.conftest import Met
from tests.fakes.ingress_faults import accept, answer, drop_request, reset_response
from tests.fakes.site import Finished, Site


def held_until(site: Site) -> float | None:
    found: float | None = json.loads(site.collector("status", "--json").stdout)["held_until"]
    return found


def test_run_gives_up_after_a_few_tries(meet: Met) -> None:
    site, ingress = meet(answer(503))
    spooled = site.put(3)
    done = site.run()
    assert (done.status, len(ingress.uploads), done.report["refused"]) == (75, 5, 5)
    assert len({upload.archive for upload in ingress.uploads}) == 1
    assert site.waiting == spooled


def test_each_batch_has_its_own_tries(meet: Met) -> None:
    flaky = [answer(503), answer(503), accept()] * 3
    site, ingress = meet(*flaky, max_archive_bytes=6000)
    spooled = site.put(4)
    assert site.run().status == 0
    assert ingress.records == spooled


def test_short_retry_after_is_waited_for(meet: Met) -> None:
    site, ingress = meet(answer(429, "Retry-After: 1"), accept())
    site.put(1)
    done = site.run()
    assert (done.status, len(ingress.uploads)) == (0, 2)
    assert done.seconds > 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_long_retry_after_is_remembered_and_obeyed(meet: Met, form: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    site, ingress = meet(answer(503, f"Retry-After: {'3600' if form == 'seconds' else date}"), accept())
    spooled = site.put(2)
    for _ in range(2):
        done = site.run()
        assert (done.status, site.waiting) == (75, spooled)
    assert len(ingress.uploads) == 1
    assert "peace until" in done.stderr
    assert 3500 < (held_until(site) or 0) - time.time() < 3610


def test_nothing_else_is_neglected_while_the_ingress_wants_peace(meet: Met) -> None:
    site, ingress = meet(answer(503, "Retry-After: 3600"), accept(), max_spool_bytes=0)
    site.put(1)
    site.run()
    site.put(2, conversation="forget-me")
    (site.transcripts / ".forget_forget-me_00000001").touch()
    site.put(3)
    done = site.run()
    assert (done.status, done.report["dropped"], len(ingress.uploads)) == (75, 3, 1)
    assert "forgot" in done.stderr


def test_nonsense_in_retry_after_is_ignored(meet: Met) -> None:
    site, ingress = meet(answer(503, "Retry-After: soon"), accept())
    site.put(1)
    assert site.run().status == 0
    assert len(ingress.uploads) == 2
    assert held_until(site) is None


def test_waits_are_as_configured(meet: Met) -> None:
    site, _ = meet(answer(503), accept(), retry_wait_seconds=2)
    site.put(1)
    assert 1 <= site.run().seconds < 10


def test_signal_ends_a_wait_at_once(meet: Met) -> None:
    site, _ = meet(answer(503), retry_wait_seconds=50)
    spooled = site.put(1)
    with site.start("run") as run:
        run.wait_for("trying again in")
        began = time.monotonic()
        run.signal(signal.SIGTERM)
        assert run.wait() == 75
    assert time.monotonic() - began < 5
    assert site.waiting == spooled


def test_receipts_are_logged_with_their_request_ids(meet: Met) -> None:
    site, _ = meet()
    site.put(1)
    done = site.run()
    assert "request id r-0001" in done.stderr
    assert done.report["request_ids"] == ["r-0001"]


@pytest.mark.parametrize("text", ["two words", "caf\xe9", "x" * 300])
def test_request_id_that_is_none_is_not_kept(meet: Met, text: str) -> None:
    body = json.dumps({"request_id": text}).encode()
    site, _ = meet(answer(202, f"x-rh-insights-request-id: {text}", body=body, store=True))
    site.put(1)
    done: Finished = site.run()
    assert (done.status, done.report["request_ids"]) == (0, [""])


@pytest.mark.parametrize("status", [400, 413])
def test_refusal_of_a_batch_that_may_have_arrived_is_asked_again(meet: Met, status: int) -> None:
    """To divide it is to send its records under other ids."""
    site, ingress = meet(reset_response(store=True), answer(status), answer(status), accept())
    spooled = site.put(4)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches)) == (spooled, 1)


def test_batch_that_an_earlier_run_may_have_sent_is_asked_again(meet: Met) -> None:
    site, ingress = meet(answer(503, "Retry-After: 61", store=True), answer(413), accept())
    spooled = site.put(4)
    assert site.run().status == 75
    with sqlite3.connect(site.state / "ledger.sqlite") as ledger:
        ledger.execute("DELETE FROM fact WHERE key = 'held_until'")
    ledger.close()
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches)) == (spooled, 1)


def test_refusal_that_is_repeated_is_believed(meet: Met) -> None:
    site, ingress = meet(drop_request, *[answer(413)] * 3, accept())
    spooled = site.put(4)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches)) == (spooled, 2)


def test_refusal_of_a_batch_that_cannot_have_arrived_is_believed_at_once(meet: Met) -> None:
    site, ingress = meet(answer(413), accept())
    spooled = site.put(4)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.uploads)) == (spooled, 3)

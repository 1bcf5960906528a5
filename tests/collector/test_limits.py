"""The limits of the spool, through the real command, and what the clock may do."""

import json
from datetime import timedelta

import pytest

from lightspeed_collector.limits import bounds
from lightspeed_collector.retention import Limits
from tests.collector.conftest import Met
from tests.fakes.ingress_faults import FaultyIngress, accept, answer
from tests.fakes.site import Site

DAY = 86400


def test_nothing_is_dropped_by_default(meet: Met) -> None:
    site, _ = meet(answer(403))
    spooled = site.put(20)
    site.run()
    assert site.waiting == spooled


def test_dropped_records_are_the_oldest_and_in_the_history(meet: Met) -> None:
    site, _ = meet(answer(403), max_spool_bytes=0)
    site.put(1)
    site.run()
    site.configure(max_spool_bytes=350)
    more = site.put(5, content=b'{"a": "' + b"x" * 91 + b'"}')
    done = site.run()
    assert done.report["dropped"] == 3
    assert list(site.waiting)[-2:] == list(more)[-2:]
    events = json.loads(site.collector("history", "--json").stdout)["events"]
    assert sorted(event["member"] for event in events) == list(more)[:3]
    assert {event["reason"] for event in events} == {"max_spool_bytes"}
    assert all(event["member"] in done.stderr for event in events)


def test_sent_records_are_no_longer_in_the_way(site: Site, ingress: FaultyIngress) -> None:
    """The limits are applied after sending: what could be sent is never dropped."""
    site.configure(max_spool_bytes=0, max_record_age=1)
    spooled = site.put(20, age=timedelta(days=3))
    done = site.run()
    assert (done.report["dropped"], ingress.records) == (0, spooled)


def test_limits_hold_while_the_ingress_is_unreachable(site: Site) -> None:
    site.configure(ingress_server_url="http://127.0.0.1:9/", max_record_age=DAY)
    site.put(1)
    site.run()
    old = site.put(3, age=timedelta(days=2))
    fresh = site.put(2, age=timedelta(minutes=1))
    done = site.run()
    assert (done.status, done.report["dropped"], done.report["left"]) == (75, 3, 3)
    assert not set(old) & set(site.waiting)
    assert set(fresh) <= set(site.waiting)


@pytest.mark.parametrize(
    ("last_run", "now", "age"),
    [(100 * DAY, 100 * DAY + 7200, 30 * DAY), (100 * DAY, 120 * DAY, None), (100 * DAY, 50 * DAY, 30 * DAY)],
    ids=["as ever", "the clock leapt, or the machine was off", "the clock was set back"],
)
def test_age_waits_for_the_next_run_when_time_leapt(last_run: float, now: float, age: float | None) -> None:
    assert bounds(1000, 30 * DAY, last_run, now) == Limits(1000, age)


def test_records_written_before_the_clock_was_set_back_are_sent(meet: Met) -> None:
    site, ingress = meet(answer(503), accept(), max_record_age=DAY)
    spooled = site.put(3, age=timedelta(days=-400))
    assert site.run().report["dropped"] == 0
    site.run()
    assert ingress.records == spooled


def test_what_is_left_is_told_as_it_is_after_the_drop(meet: Met) -> None:
    site, _ = meet(answer(403), max_record_age=DAY)
    site.put(1)
    site.run()
    site.put(2, age=timedelta(days=3))
    site.put(1, age=timedelta(hours=2))
    done = site.run()
    spool = json.loads(site.collector("status", "--json").stdout)["spool"]
    assert done.report["left"] == spool["records"]
    assert spool["kept"] == 0

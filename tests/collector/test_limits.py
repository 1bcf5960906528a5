"""The limits of the spool, through the real command, and what the clock may do."""

import json
from datetime import timedelta

from tests.collector.conftest import Met
from tests.fakes import clock, strace
from tests.fakes.ingress_faults import FaultyIngress, accept, answer
from tests.fakes.site import Site

DAY = 86400
NOWHERE = "http://127.0.0.1:9/"


def claimed(site: Site) -> dict[str, bytes]:
    """A record in a batch on its way, which no limit concerns; the next ones are in none as long as it is."""
    made = site.put(1, age=timedelta(minutes=2))
    assert site.run().status in (69, 75)
    return made


def test_nothing_is_dropped_by_default(meet: Met) -> None:
    site, _ = meet(answer(403))
    spooled = site.put(20)
    site.run()
    assert site.waiting == spooled


def test_dropped_records_are_the_oldest_and_in_the_history(meet: Met) -> None:
    site, _ = meet(answer(403), max_spool_bytes=0)
    site.put(1)
    site.run()
    site.configure(max_spool_bytes=250)
    more = site.put(5, content=b'{"a": "' + b"x" * 91 + b'"}')
    done = site.run()
    assert done.report["dropped"] == 3
    assert list(site.waiting)[-2:] == list(more)[-2:]
    events = json.loads(site.collector("history", "--json").stdout)["events"]
    assert sorted(event["member"] for event in events) == list(more)[:3]
    assert {event["reason"] for event in events} == {"max_spool_bytes"}
    assert all(event["member"] in done.stderr for event in events)


def test_batch_on_its_way_does_not_push_out_new_records(meet: Met) -> None:
    """Whatever it holds: the ingress may have it, and it is one at most."""
    site, ingress = meet(answer(503))
    site.put(50)
    assert site.run().status == 75
    site.configure(max_spool_bytes=2000, max_record_age=DAY)
    new = site.put(3)
    done = site.run()
    assert (done.report["dropped"], done.report["left"]) == (0, 53)
    ingress.script = [accept()]
    assert site.run().report["sent"] == 53
    assert new.items() <= ingress.records.items()


def test_batch_that_was_accepted_and_can_not_be_removed_is_not_dropped(site: Site, ingress: FaultyIngress) -> None:
    strace.needed()
    site.configure(max_spool_bytes=0)
    site.put(3)
    log = ("strace", "-f", "-o", str(site.folder / "trace"), "-P", str(site.transcripts))
    done = site.run(prefix=(*log, "-e", "inject=unlinkat:error=EIO", "-e", "inject=fsync:error=EIO"))
    assert (done.status, done.report["sent"], done.report["dropped"]) == (74, 3, 0)
    assert json.loads(site.collector("history", "--json").stdout)["events"] == []
    assert site.run().status == 0
    assert (site.waiting, len(ingress.uploads)) == ({}, 1)


def test_limits_are_kept_with_a_token_that_is_none(meet: Met) -> None:
    site, ingress = meet(ingress_server_auth_token="a b", max_spool_bytes=0)
    site.put(2)
    done = site.run()
    assert (done.status, ingress.uploads) == (78, [])
    assert json.loads(site.collector("status", "--json").stdout)["last_run"]["status"] == 78


def test_age_of_a_batch_on_its_way_is_no_warning(site: Site) -> None:
    site.configure(ingress_server_url=NOWHERE, max_record_age=DAY)
    site.put(1, age=timedelta(days=3))
    assert "over max_record_age" not in site.run().stderr


def test_sent_records_are_no_longer_in_the_way(site: Site, ingress: FaultyIngress) -> None:
    """The limits are applied after sending: what could be sent is never dropped."""
    site.configure(max_spool_bytes=0, max_record_age=1)
    spooled = site.put(20, age=timedelta(days=3))
    done = site.run()
    assert (done.report["dropped"], ingress.records) == (0, spooled)


def test_records_that_stay_too_old_are_dropped_later(site: Site) -> None:
    site.configure(ingress_server_url=NOWHERE, max_record_age=DAY)
    first = claimed(site)
    old = site.put(3, age=timedelta(days=2))
    fresh = site.put(2, age=timedelta(minutes=1))
    for hours in (3, 4, 5):
        done = site.run(environ=clock.later(site.folder, timedelta(hours=hours)))
        assert (done.status, done.report["dropped"]) == (75, 0)
        assert "over max_record_age" in done.stderr
    done = site.run(environ=clock.later(site.folder, timedelta(hours=6)))
    assert (done.report["dropped"], done.report["left"], site.waiting) == (3, 3, first | fresh)
    assert "over max_record_age" not in done.stderr
    assert all(member in done.stderr for member in old)


def test_clock_that_is_years_ahead_for_some_runs_drops_nothing(site: Site, ingress: FaultyIngress) -> None:
    site.configure(ingress_server_url=NOWHERE, max_record_age=30 * DAY)
    spooled = claimed(site) | site.put(3, age=timedelta(minutes=1))
    for hours in range(4):
        years = timedelta(days=1200, hours=hours)
        assert site.run(environ=clock.environ(site.folder, years, timedelta(hours=hours))).report["dropped"] == 0
    for days in (1, 5):
        assert site.run(environ=clock.later(site.folder, timedelta(days=days))).report["dropped"] == 0
    site.configure(ingress_server_url=ingress.url)
    assert site.run().status == 0
    assert (ingress.records, site.waiting) == (spooled, {})


def test_machine_that_was_off_for_long_sends_before_it_drops(site: Site, ingress: FaultyIngress) -> None:
    site.configure(ingress_server_url=NOWHERE, max_record_age=30 * DAY)
    spooled = claimed(site) | site.put(3, age=timedelta(minutes=1))
    assert site.run(environ=clock.environ(site.folder, uptime=timedelta(days=20))).report["dropped"] == 0
    back = clock.environ(site.folder, timedelta(days=100))
    assert [site.run(environ=back).report["dropped"] for _ in range(3)] == [0, 0, 0]
    site.configure(ingress_server_url=ingress.url)
    assert site.run(environ=back).status == 0
    assert ingress.records == spooled


def test_records_that_a_clock_without_a_battery_dated_are_not_taken_for_old(site: Site) -> None:
    """Written after the machine's start and before its clock was set right."""
    site.configure(ingress_server_url=NOWHERE, max_record_age=DAY)
    claimed(site)
    dated = site.put(3, age=timedelta(days=9000))
    for hours in (1, 3, 4):
        assert site.run(environ=clock.later(site.folder, timedelta(hours=hours))).report["dropped"] == 0
    assert dated.items() <= site.waiting.items()


def test_records_written_before_the_clock_was_set_back_are_sent(meet: Met) -> None:
    site, ingress = meet(answer(503), accept(), max_record_age=DAY)
    spooled = site.put(3, age=timedelta(days=-400))
    assert site.run().report["dropped"] == 0
    site.run()
    assert ingress.records == spooled


def test_what_is_left_is_told_as_it_is_after_the_drop(meet: Met) -> None:
    site, _ = meet(answer(403), max_record_age=DAY)
    claimed(site)
    site.put(2, age=timedelta(days=3))
    for hours in (3, 6):
        done = site.run(environ=clock.later(site.folder, timedelta(hours=hours)))
    spool = json.loads(site.collector("status", "--json").stdout)["spool"]
    assert (done.report["dropped"], done.report["left"]) == (2, 1)
    assert done.report["left"] == spool["records"]
    assert spool["kept"] == 0

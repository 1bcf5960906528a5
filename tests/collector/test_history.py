import json
import re
from pathlib import Path

from lightspeed_collector.database import Database
from lightspeed_collector.history import Event, History, Run
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.site import CONVERSATION, Site


def test_what_left_when_and_under_which_request_id(site: Site, ingress: FaultyIngress) -> None:
    for _ in range(3):
        site.put(2)
        site.run()
    found = json.loads(site.collector("history", "--json").stdout)["deliveries"]
    assert [one["request_id"] for one in found] == ["r-0003", "r-0002", "r-0001"]
    assert [one["batch_id"] for one in found] == [upload.batch_id for upload in reversed(ingress.stored)]
    assert [set(one["members"]) for one in found] == [set(upload.members) for upload in reversed(ingress.stored)]
    shown = site.collector("history").stdout.splitlines()
    assert len(shown) == 3
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  sent batch \w{32}, 2 records, \d+ bytes, answered 202, request id r-0003",
        shown[0],
    )


def test_limit(site: Site) -> None:
    for _ in range(3):
        site.put(1)
        site.run()
    assert len(site.collector("history", "--limit", "2").stdout.splitlines()) == 2


def test_one_conversation(site: Site) -> None:
    other = site.put(1, conversation="other")
    mine = site.put(1)
    bad = site.put(1, content=b"bad")
    site.run()
    shown = site.collector("history", "--conversation", CONVERSATION).stdout
    assert all(member in shown for member in (*mine, *bad))
    assert not any(member in shown for member in other)
    found = json.loads(site.collector("history", "--conversation", "other", "--json").stdout)
    assert [one["members"] for one in found["deliveries"]] == [list(other)]
    assert json.loads(site.collector("history", "--conversation", "othe", "--json").stdout)["deliveries"] == []


def test_site_that_never_ran_has_none(site: Site) -> None:
    done = site.collector("history")
    assert (done.status, done.stdout) == (0, "")


def test_what_is_old_is_forgotten_and_totals_are_not(tmp_path: Path) -> None:
    database = Database(tmp_path / "ledger.sqlite")
    history = History(database)
    for at in (100.0, 200.0):
        history.note([Event(at, "dropped", "transcripts/a_b_c.json", 1, "why")])
        history.record_run(Run(at - 1, at, 0, {"sent": 1}), {"sent": 5})
    history.prune(150.0)
    assert [event.at for event in history.events(10)] == [200.0]
    assert [run.ended_at for run in history.runs(10)] == [200.0]
    assert history.totals() == {"sent": 10}
    assert history.last_success() == 200.0
    database.close()

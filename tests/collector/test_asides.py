"""The command `quarantine`."""

import json

import pytest

from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.site import Site, record

BAD = b"\x00 this is no record"


def test_list_and_show(site: Site) -> None:
    (member,) = site.put(1, content=BAD)
    site.run()
    listed = site.collector("quarantine").stdout
    assert listed == site.collector("quarantine", "list").stdout
    assert member in listed
    assert "not JSON" in listed
    found = json.loads(site.collector("quarantine", "list", "--json").stdout)
    assert (found["member"], found["bytes"]) == (member, len(BAD))
    shown = site.collector("quarantine", "show", member.split("/")[1])
    assert shown.stdout.encode() == BAD
    assert "not JSON" in shown.stderr


def test_empty_quarantine_lists_nothing(site: Site) -> None:
    done = site.collector("quarantine")
    assert (done.status, done.stdout) == (0, "")


def test_released_record_is_tried_again(site: Site, ingress: FaultyIngress) -> None:
    bad = site.put(1, content=BAD)
    (member,) = bad
    site.run()
    assert site.collector("quarantine", "release", member).status == 0
    assert (site.waiting, site.quarantined) == (bad, {})
    assert list((site.quarantine / "transcripts").iterdir()) == []
    assert site.run().status == 65
    (site.quarantine / member).write_bytes(record(1))
    assert site.collector("quarantine", "release", member.split("/")[1]).status == 0
    assert site.run().status == 0
    assert ingress.records == {member: record(1)}


def test_discarded_record_is_gone_and_in_the_history(site: Site) -> None:
    (member,) = site.put(1, content=BAD)
    site.run()
    assert site.collector("quarantine", "discard", member).status == 0
    assert (site.waiting, site.quarantined) == ({}, {})
    fates = [event["fate"] for event in json.loads(site.collector("history", "--json").stdout)["events"]]
    assert fates == ["discarded", "quarantined"]


def test_several_at_once(site: Site) -> None:
    bad = site.put(3, content=BAD)
    site.run()
    one, two, three = bad
    assert site.collector("quarantine", "release", one, two).status == 0
    assert list(site.waiting) == [one, two]
    assert list(site.quarantined) == [three]


@pytest.mark.parametrize("action", ["show", "release", "discard"])
def test_name_that_is_not_there(site: Site, action: str) -> None:
    bad = site.put(1, content=BAD)
    site.run()
    done = site.collector("quarantine", action, "nothing.json")
    assert done.status == 64
    assert "nothing.json: is not in the quarantine" in done.stderr
    assert site.quarantined == bad


def test_release_never_replaces_a_record(site: Site) -> None:
    (member,) = site.put(1, content=BAD)
    site.run()
    site.path(member).write_bytes(record(1))
    assert site.collector("quarantine", "release", member).status == 73
    assert site.path(member).read_bytes() == record(1)
    assert site.quarantined == {member: BAD}
    assert list(site.transcripts.glob(".*")) == []

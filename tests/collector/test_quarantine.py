"""What is set aside and how it comes in and out, through the real command."""

import json
import os
from pathlib import Path

import pytest

from lightspeed_collector.quarantine import Quarantine, is_being_written
from lightspeed_collector.spool import Spool
from tests.collector.conftest import Met
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.privileges import bound
from tests.fakes.site import Site, record

BAD = b"\x00 this is no record"


def test_record_is_set_aside_whole_with_its_reason(site: Site) -> None:
    bad = site.put(1, content=BAD)
    done = site.run()
    assert done.status == 65
    assert site.quarantined == bad
    (member,) = bad
    assert "not JSON" in (site.quarantine / f"{member}.reason").read_text()
    assert member in done.stderr
    assert (site.quarantine / member).stat().st_mode & 0o777 == 0o600


def test_quarantine_is_never_sent_and_never_dropped(site: Site, ingress: FaultyIngress) -> None:
    site.configure(max_spool_bytes=0, max_record_age=1)
    bad = site.put(1, content=BAD)
    site.run()
    for _ in range(2):
        assert site.run().status == 0
    assert (site.quarantined, ingress.uploads) == (bad, [])


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


def test_second_record_of_a_name_gets_a_name_of_its_own(site: Site) -> None:
    (member,) = site.put(1, content=BAD)
    site.run()
    site.path(member).write_bytes(b"another one")
    assert site.run().status == 65
    assert sorted(site.quarantined.values()) == [BAD, b"another one"]
    assert site.waiting == {}


def test_record_that_can_not_be_set_aside_stays_and_the_others_go(site: Site, ingress: FaultyIngress) -> None:
    site.run()
    bad = site.put(1, content=BAD)
    good = site.put(2)
    site.quarantine.chmod(0o500)
    done = site.run(prefix=bound())
    site.quarantine.chmod(0o700)
    assert done.status == 73
    assert (site.waiting, ingress.records) == (bad, good)
    assert site.run().status == 65
    assert site.quarantined == bad


def test_record_that_can_not_be_removed_from_the_spool_is_not_sent(site: Site, ingress: FaultyIngress) -> None:
    bad = site.put(1, content=BAD)
    site.transcripts.chmod(0o500)
    assert site.run(prefix=bound()).status == 74
    site.transcripts.chmod(0o700)
    assert site.run().status == 65
    assert (site.quarantined, site.waiting, ingress.uploads) == (bad, {}, [])


def test_many_bad_records_do_not_flood_the_log(meet: Met) -> None:
    site, _ = meet()
    for member in site.put(50):
        site.path(member).chmod(0)
    done = site.run(prefix=bound())
    assert done.status == 74
    assert len(done.stderr.splitlines()) < 8
    assert "47 more problems" in done.stderr


def test_file_open_for_writing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as writer, path.open("rb") as reader:
        assert is_being_written(reader.fileno())
        writer.close()
        assert is_being_written(reader.fileno()) is False


def test_record_that_changed_is_not_taken(tmp_path: Path) -> None:
    name = "20250804T165952.004143Z_a_5f3a9c1e.json"
    (tmp_path / "spool").mkdir()
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "spool" / name).write_bytes(BAD)
    with Spool({"transcripts": tmp_path / "spool"}) as spool:
        entry = spool.read(f"transcripts/{name}").entry
        os.utime(tmp_path / "spool" / name, (1, 1))
        assert not Quarantine(tmp_path / "quarantine").take(entry, "why", spool)
    assert (tmp_path / "spool" / name).exists()

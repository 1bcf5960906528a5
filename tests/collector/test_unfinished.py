"""Moves that were cut short, through the real command."""

import pytest

from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress, accept, answer
from tests.fakes.site import Site, record


def set_aside_halfway(site: Site, ingress: FaultyIngress, fault: str) -> str:
    """A record that the ingress refused: it is in the quarantine, and still in the spool."""
    strace.needed()
    (member,) = site.put(1)
    ingress.script = [answer(413)]
    removal = strace.injecting_at(site.folder / "trace", site.transcripts, "unlinkat", fault)
    site.run(prefix=removal, environ=strace.ENVIRON)
    assert list(site.waiting) == list(site.quarantined) == [member]
    ingress.script = [accept()]
    return member


@pytest.mark.parametrize("fault", ["signal=KILL", "error=EIO"])
def test_record_that_was_set_aside_is_not_sent_as_well(site: Site, ingress: FaultyIngress, fault: str) -> None:
    """Even when the ingress would take it now: the quarantine has it, and its release would send it again."""
    member = set_aside_halfway(site, ingress, fault)
    later = site.put(1)
    done = site.run()
    assert (done.status, done.report["quarantined"]) == (65, 1)
    assert (ingress.records, list(site.quarantined)) == (later, [member])
    assert site.collector("quarantine", "release", member).status == 0
    assert site.run().status == 0
    assert sorted(ingress.deliveries) == sorted([member, *later])


def test_record_that_can_not_be_removed_waits(site: Site, ingress: FaultyIngress) -> None:
    set_aside_halfway(site, ingress, "error=EIO")
    later = site.put(1)
    removal = strace.injecting_at(site.folder / "trace", site.transcripts, "unlinkat", "error=EIO")
    done = site.run(prefix=removal, environ=strace.ENVIRON)
    assert (done.status, ingress.records) == (74, later)


def test_another_record_of_the_name_is_sent(site: Site, ingress: FaultyIngress) -> None:
    member = set_aside_halfway(site, ingress, "error=EIO")
    site.path(member).write_bytes(record(7))
    assert site.run().status == 0
    assert (ingress.records, list(site.quarantined)) == ({member: record(7)}, [member])


def test_record_that_is_held_under_another_name_is_not_sent_as_well(site: Site, ingress: FaultyIngress) -> None:
    strace.needed()
    (member,) = site.put(1, content=b"not JSON")
    assert site.run().status == 65
    site.path(member).write_bytes(record(7))
    ingress.script = [answer(413)]
    removal = strace.injecting_at(site.folder / "trace", site.transcripts, "unlinkat", "signal=KILL")
    site.run(prefix=removal, environ=strace.ENVIRON)
    assert (list(site.waiting), len(site.quarantined)) == ([member], 2)
    ingress.script = [accept()]
    assert site.run().status == 65
    assert (ingress.records, site.waiting, len(site.quarantined)) == ({}, {}, 2)


def test_preview_knows_what_is_to_be_set_aside(site: Site, ingress: FaultyIngress) -> None:
    member = set_aside_halfway(site, ingress, "error=EIO")
    shown = site.collector("run", "--dry-run").stdout
    assert f"would quarantine {member}: 413" in shown
    assert "would send 0 records" in shown


def test_folder_that_is_away_keeps_nothing_from_being_sent(site: Site, ingress: FaultyIngress) -> None:
    set_aside_halfway(site, ingress, "error=EIO")
    site.transcripts.rename(site.folder / "away")
    sent = site.put(1, "feedback")
    site.run()
    assert ingress.records == sent

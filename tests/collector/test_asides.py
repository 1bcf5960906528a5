"""The command `quarantine`."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress, accept, answer
from tests.fakes.privileges import bound
from tests.fakes.site import CONVERSATION, Site, record

BAD = b"\x00 this is no record"


def until(happened: Callable[[], bool]) -> None:
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it didn't happen")


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


def test_release_that_can_not_be_finished_keeps_its_record_from_being_sent(site: Site, ingress: FaultyIngress) -> None:
    """Else it would be sent, put back by the run after, and sent again."""
    strace.needed()
    (member,) = site.put(1, content=BAD)
    assert site.run().status == 65
    (site.quarantine / member).write_bytes(record(1))
    sync = strace.injecting_at(site.folder / "trace", site.transcripts, "fsync", "signal=KILL")
    killed = site.collector("quarantine", "release", member, prefix=sync, environ=strace.ENVIRON)
    assert killed.status in (-9, 137)
    assert list(site.waiting) == list(site.quarantined) == [member]
    marker = site.quarantine / f"{member}.releasing"
    full = strace.injecting_at(site.folder / "trace", marker, "openat", "error=ENOSPC")
    done = site.run(prefix=full, environ=strace.ENVIRON)
    assert (done.status, ingress.uploads) == (73, [])
    assert site.run().status == 0
    assert (list(ingress.records), len(ingress.uploads), site.quarantined, site.waiting) == ([member], 1, {}, {})


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


def test_record_released_while_a_run_sets_it_aside_again_is_kept(site: Site) -> None:
    """The run finds it in the spool before the release has removed it from the quarantine."""
    strace.needed()
    bad = site.put(1, content=BAD)
    (member,) = bad
    assert site.run().status == 65
    slow = ("strace", "-f", "-o", str(site.folder / "trace"), "-e", "inject=unlink:delay_enter=2000000:when=3")
    with ThreadPoolExecutor(1) as operator:
        released = operator.submit(site.collector, "quarantine", "release", member, prefix=slow)
        until(site.path(member).exists)
        site.run()
        assert released.result().status == 0
    assert {**site.waiting, **site.quarantined} == bad


def test_record_released_while_its_conversation_is_forgotten_is_not_sent(site: Site, ingress: FaultyIngress) -> None:
    strace.needed()
    (member,) = bad = site.put(1, content=BAD)
    assert site.run().status == 65
    (site.quarantine / member).write_bytes(record(1))
    (site.transcripts / f".forget_{CONVERSATION}_00000001").touch()
    slow = ("strace", "-f", "-o", str(site.folder / "trace"), "-e", "inject=fsync:delay_exit=2000000:when=3")
    with ThreadPoolExecutor(1) as operator:
        released = operator.submit(site.collector, "quarantine", "release", member, prefix=slow)
        until((site.transcripts / f".{member.split('/')[1]}").exists)
        site.run()
        released.result()
    site.run()
    assert (ingress.uploads, site.waiting, site.quarantined) == ([], {}, {}), bad


def test_listing_passes_over_what_goes_meanwhile(site: Site) -> None:
    strace.needed()
    site.put(20, content=BAD)
    assert site.run().status == 65
    first, *_, last = site.quarantined
    trace = site.folder / "trace"
    slow = ("strace", "-f", "-o", str(trace), "-P", str(site.quarantine / first), "-e", "inject=all:delay_exit=2000000")
    with ThreadPoolExecutor(1) as operator:
        listed = operator.submit(site.collector, "quarantine", prefix=slow)
        until(lambda: trace.exists() and first.split("/")[1] in trace.read_text())
        (site.quarantine / last).unlink()
        done = listed.result()
    assert (done.status, len(done.stdout.splitlines())) == (0, 19), done


def killed_while_releasing(site: Site) -> str:
    """A record that is in the spool again, and still in the quarantine."""
    strace.needed()
    (member,) = site.put(1, content=BAD)
    assert site.run().status == 65
    (site.quarantine / member).write_bytes(record(1))
    sync = strace.injecting_at(site.folder / "trace", site.transcripts, "fsync", "signal=KILL")
    site.collector("quarantine", "release", member, prefix=sync, environ=strace.ENVIRON)
    assert list(site.waiting) == list(site.quarantined) == [member]
    return member


def test_discard_undoes_a_release_that_was_cut_short(site: Site, ingress: FaultyIngress) -> None:
    member = killed_while_releasing(site)
    assert site.collector("quarantine", "discard", member).status == 0
    assert (site.waiting, site.quarantined) == ({}, {})
    assert site.run().status == 0
    assert ingress.uploads == []


def test_discard_undoes_a_move_that_was_cut_short(site: Site, ingress: FaultyIngress) -> None:
    strace.needed()
    (member,) = site.put(1)
    ingress.script = [answer(413)]
    removal = strace.injecting_at(site.folder / "trace", site.transcripts, "unlinkat", "error=EIO")
    site.run(prefix=removal, environ=strace.ENVIRON)
    assert list(site.waiting) == list(site.quarantined) == [member]
    ingress.script = [accept()]
    assert site.collector("quarantine", "discard", member).status == 0
    assert site.run().status == 0
    assert (ingress.records, site.waiting, site.quarantined) == ({}, {}, {})


def test_storage_that_can_not_be_looked_at_is_named(site: Site) -> None:
    (one,), (other,) = site.put(1, content=BAD), site.put(1, "feedback", content=BAD)
    site.run()
    secret = site.folder / "secret"
    secret.mkdir()
    site.transcripts.rename(secret / "transcripts")
    site.transcripts.symlink_to(secret / "transcripts")
    secret.chmod(0)
    done = site.collector("quarantine", "release", one, other, prefix=bound())
    secret.chmod(0o700)
    assert (done.status, f"{site.transcripts}: Permission denied" in done.stderr) == (73, True)
    assert list(site.quarantined) == [one]


def test_discard_waits_for_the_folder_that_an_unfinished_release_has_written_to(site: Site) -> None:
    member = killed_while_releasing(site)
    site.transcripts.rename(site.folder / "away")
    done = site.collector("quarantine", "discard", member)
    assert (done.status, str(site.transcripts) in done.stderr) == (73, True)
    assert list(site.quarantined) == [member]


def test_release_that_a_run_finishes_is_in_the_history(site: Site, ingress: FaultyIngress) -> None:
    member = killed_while_releasing(site)
    assert site.run().status == 0
    events = json.loads(site.collector("history", "--json").stdout)["events"]
    assert ("released", member) in {(event["fate"], event["member"]) for event in events}
    assert (list(ingress.records), site.quarantined) == ([member], {})


def test_release_that_can_not_be_taken_back_says_so(site: Site) -> None:
    strace.needed()
    (member,) = site.put(1, content=BAD)
    site.run()
    sync = strace.injecting_at(site.folder / "trace", site.transcripts, "fsync", "error=EIO")
    done = site.collector("quarantine", "release", member, prefix=sync, environ=strace.ENVIRON)
    assert (done.status, "the next run tries again to release it" in done.stderr) == (73, True)


@pytest.mark.parametrize("fault", ["away", "full"])
def test_release_that_fails_is_none(site: Site, ingress: FaultyIngress, fault: str) -> None:
    """The operator was told that it stays: no run releases it later."""
    strace.needed()
    (member,) = site.put(1, content=BAD)
    assert site.run().status == 65
    (site.quarantine / member).write_bytes(record(1))
    if fault == "away":
        site.transcripts.rename(site.folder / "away")
        done = site.collector("quarantine", "release", member)
        (site.folder / "away").rename(site.transcripts)
    else:
        sync = strace.injecting_at(site.folder / "trace", site.transcripts, "fsync", "error=ENOSPC:when=1")
        done = site.collector("quarantine", "release", member, prefix=sync, environ=strace.ENVIRON)
    assert (done.status, site.waiting) == (73, {})
    assert site.run().status == 0
    assert (ingress.uploads, list(site.quarantined)) == ([], [member])

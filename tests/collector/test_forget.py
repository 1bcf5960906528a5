"""Requests to forget a conversation, as SPOOL.md says."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress, accept, answer
from tests.fakes.privileges import bound
from tests.fakes.site import CONVERSATION, Site

GONE = "f0f0f0f0-0000-4000-8000-000000000000"


def ask(site: Site, storage: str = "transcripts", conversation: str = GONE) -> None:
    (site.folder / "spool" / storage / f".forget_{conversation}_0000000a").touch()


def test_forgotten_records_are_removed_unsent_and_the_request_with_them(site: Site, ingress: FaultyIngress) -> None:
    kept = site.put(2)
    site.put(3, conversation=GONE)
    ask(site)
    done = site.run()
    assert (done.status, ingress.records, site.waiting) == (0, kept, {})
    assert list(site.transcripts.iterdir()) == []
    assert "3 forgotten" in done.stderr


def test_collector_that_is_disabled_forgets_and_does_nothing_else(site: Site, ingress: FaultyIngress) -> None:
    site.configure(enabled=False, max_spool_bytes=0, max_record_age=1)
    kept = {**site.put(2), **site.put(1, content=b"no record")}
    site.put(3, conversation=GONE)
    ask(site)
    done = site.run()
    assert (done.status, site.waiting, requests(site), ingress.uploads) == (0, kept, [], [])
    assert site.quarantined == {}
    assert site.collector("history").stdout.count("forgotten") == 3


def test_token_that_is_none_keeps_nothing_from_being_forgotten(site: Site) -> None:
    site.configure(enabled=False, ingress_server_auth_token="a b")
    site.put(1, conversation=GONE)
    ask(site)
    assert (site.run().status, site.waiting, requests(site)) == (0, {}, [])


def test_collector_that_is_disabled_tells_of_requests_that_wait(meet: Met) -> None:
    site, _ = meet(answer(503), retry_wait_seconds=1000)
    site.put(1, conversation=GONE)
    assert site.run().status == 75
    ask(site)
    site.configure(enabled=False)
    done = site.run()
    assert (done.status, len(requests(site))) == (0, 1)
    assert "wait for a batch that may have been sent" in done.stderr


def test_request_concerns_its_folder_alone(site: Site, ingress: FaultyIngress) -> None:
    feedback = site.put(1, "feedback", conversation=GONE)
    site.put(1, conversation=GONE)
    ask(site)
    site.run()
    assert ingress.records == feedback


def test_request_matches_the_whole_conversation(site: Site, ingress: FaultyIngress) -> None:
    kept = {**site.put(1, conversation="abc"), **site.put(1, conversation="abcde"), **site.put(1, conversation="ABCD")}
    site.put(1, conversation="abcd")
    ask(site, conversation="abcd")
    site.run()
    assert ingress.records == kept


def test_records_of_a_claimed_batch_count_as_sent(meet: Met) -> None:
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    claimed = site.put(2, conversation=GONE)
    assert site.run().status == 75
    site.put(2, conversation=GONE)
    ask(site)
    ingress.script = [accept()]
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches), site.waiting) == (claimed, 1, {})


def requests(site: Site) -> list[str]:
    return [path.name for path in site.transcripts.iterdir() if path.name.startswith(".forget")]


def test_request_waits_until_a_claimed_batch_is_done(meet: Met) -> None:
    """With `cleanup_after_send: false` a copy of what was sent stays; it goes as well."""
    site, ingress = meet(faults.drop_response(store=True), accept(), retry_wait_seconds=1000, cleanup_after_send=False)
    site.put(2, conversation=GONE)
    assert site.run().status == 75
    ask(site)
    assert (site.run().status, len(requests(site)), len(site.waiting)) == (0, 1, 2)
    done = site.run()
    assert (done.status, requests(site), site.waiting) == (0, [], {})
    assert len(ingress.batches) == 1
    assert "2 forgotten" in done.stderr


def test_request_outlives_the_quarantine_of_a_claimed_record(meet: Met) -> None:
    site, ingress = meet(answer(503), answer(413), retry_wait_seconds=1000)
    site.put(1, conversation=GONE)
    assert site.run().status == 75
    ask(site)
    while not site.quarantined:
        site.run()
    assert site.run().status == 0
    assert (site.quarantined, site.waiting, requests(site), ingress.stored) == ({}, {}, [], [])


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"damaged")], ids=["lost", "damaged"])
def test_records_of_a_lost_archive_are_not_archived_again(meet: Met, harm: Callable[[Path], object]) -> None:
    site, ingress = meet(answer(503), accept(), retry_wait_seconds=1000)
    kept = site.put(1)
    site.put(2, conversation=GONE)
    assert site.run().status == 75
    ask(site)
    (archive,) = (site.state / "outgoing").iterdir()
    harm(archive)
    for _ in range(2):
        assert site.run().status == 0
    assert (ingress.records, site.waiting, requests(site)) == (kept, {}, [])


def test_records_of_a_divided_batch_are_not_sent_again(meet: Met) -> None:
    site, ingress = meet(answer(503), *[answer(413)] * 3, accept(), retry_wait_seconds=1000)
    kept = site.put(2)
    site.put(2, conversation=GONE)
    assert site.run().status == 75
    ask(site)
    for _ in range(2):
        assert site.run().status == 0
    assert (ingress.records, site.waiting, requests(site)) == (kept, {}, [])


def test_what_a_killed_run_left_is_gone_before_anything_else(meet: Met) -> None:
    """An archive that was built ahead, or half of one, holds what may have to be forgotten; even while nothing is sent."""
    site, _ = meet(answer(503, "Retry-After: 3600"))
    site.put(1)
    assert site.run().status == 75
    outgoing = site.state / "outgoing"
    (claimed,) = outgoing.iterdir()
    (outgoing / ".draft").write_bytes(b"begun")
    (outgoing / f"{'0' * 32}.tar.gz").write_bytes(b"not claimed")
    assert site.run().status == 75
    assert list(outgoing.iterdir()) == [claimed]


def test_half_an_archive_does_not_outlive_an_empty_spool(site: Site) -> None:
    site.run()
    draft = site.state / "outgoing" / ".draft"
    draft.write_bytes(b"begun")
    assert site.run().status == 0
    assert not draft.exists()


def test_request_that_comes_during_a_run_waits_for_the_next(meet: Met) -> None:
    gate = threading.Event()
    site, ingress = meet(faults.gated(gate, accept()), accept())
    site.put(1)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        site.put(2, conversation=GONE)
        ask(site)
        gate.set()
        assert run.wait() == 0
    assert len(list(site.transcripts.iterdir())) == 3
    assert site.run().status == 0
    assert (list(site.transcripts.iterdir()), len(ingress.stored)) == ([], 1)


def test_kept_and_quarantined_copies_are_removed_too(meet: Met) -> None:
    site, ingress = meet(cleanup_after_send=False)
    site.put(1, conversation=GONE)
    site.put(1, content=b"no record", conversation=GONE)
    assert site.run().status == 65
    ask(site)
    assert site.run().status == 0
    assert (site.waiting, site.quarantined, len(ingress.stored)) == ({}, {}, 1)


def test_requests_that_are_no_regular_files_are_nobodys(site: Site, ingress: FaultyIngress) -> None:
    kept = site.put(1, conversation=GONE)
    (site.transcripts / f".forget_{GONE}_00000001").mkdir()
    (site.transcripts / f".forget_{GONE}_00000002").symlink_to("/dev/null")
    os.mkfifo(site.transcripts / f".forget_{GONE}_00000003")
    site.run()
    assert ingress.records == kept
    assert len(list(site.transcripts.iterdir())) == 3


def test_records_that_can_not_be_removed_are_not_sent(site: Site, ingress: FaultyIngress) -> None:
    site.put(2, conversation=GONE)
    kept = site.put(1, "feedback")
    ask(site)
    site.transcripts.chmod(0o500)
    assert site.run(prefix=bound()).status == 74
    site.transcripts.chmod(0o700)
    assert ingress.records == kept
    assert site.run().status == 0
    assert (ingress.records, list(site.transcripts.iterdir())) == (kept, [])


def test_requests_are_honoured_while_the_ingress_is_away(meet: Met) -> None:
    site, _ = meet(answer(503))
    site.put(2, conversation=GONE)
    ask(site)
    assert site.run().status == 0
    assert list(site.transcripts.iterdir()) == []


def test_history_tells_names_and_no_more(site: Site) -> None:
    (member,) = site.put(1, conversation=GONE)
    ask(site)
    site.run()
    (event,) = json.loads(site.collector("history", "--json").stdout)["events"]
    assert (event["fate"], event["member"]) == ("forgotten", member)
    assert (event["at"] > 0, sorted(event)) == (True, ["at", "bytes", "fate", "member", "reason"])


def test_request_in_a_folder_that_can_not_be_listed_stays_and_nothing_of_it_is_sent(
    site: Site, ingress: FaultyIngress
) -> None:
    """Any of the listings of a run may fail."""
    strace.needed()
    other = site.put(1, "feedback")
    spooled = site.put(2)
    request = site.transcripts / f".forget_{CONVERSATION}_00000001"
    request.touch()
    for number in (1, 2, 3):
        log = ("-o", str(site.folder / "trace"), "-P", str(site.transcripts))
        failing = ("strace", "-f", *log, "-e", f"inject=getdents64:error=EIO:when={2 * number - 1}")
        done = site.run(prefix=failing)
        assert done.status == 74
        assert not set(spooled) & set(ingress.records)
    assert (site.run().status, ingress.records, site.waiting) == (0, other, {})
    assert not request.exists()


def test_nothing_that_a_killed_run_left_in_the_quarantine_outlives_the_request(site: Site) -> None:
    strace.needed()
    site.put(1, content=b"no record", conversation=GONE)
    moving = strace.injecting(site.folder / "trace", "rename", 1, "signal=KILL")
    assert site.run(prefix=moving).status in (-9, 137)
    assert len(list((site.quarantine / "transcripts").iterdir())) == 2
    ask(site)
    assert site.run().status == 0
    assert list((site.quarantine / "transcripts").iterdir()) == []

"""A ledger that is lost while archives are on their way, through the real command."""

import hashlib

import pytest

from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes import strace
from tests.fakes.archives import archive, member
from tests.fakes.ingress_faults import FaultyIngress, accept
from tests.fakes.privileges import bound
from tests.fakes.site import Site


@pytest.mark.parametrize("content", [b"", b"garbage" * 2000, None], ids=["empty", "garbage", "gone"])
def test_lost_ledger_repeats_the_pending_batch_under_its_id(meet: Met, content: bytes | None) -> None:
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = site.put(5)
    assert site.run().status == 75
    ledger = site.state / "ledger.sqlite"
    ledger.unlink() if content is None else ledger.write_bytes(content)
    ingress.script = [accept()]
    done = site.run()
    assert done.status == 0
    assert "same id" in done.stderr or content == b""
    assert (ingress.records, len(ingress.batches), site.waiting) == (spooled, 1, {})
    if content:
        assert len(list(site.state.glob("ledger.sqlite.corrupt-*"))) == 1
        assert "corrupt" in done.stderr


def test_lost_ledger_after_acceptance_repeats_at_most_the_batch(meet: Met) -> None:
    """Killed between the receipt and the deletion, then the ledger is lost as well."""
    site, ingress = meet()
    spooled = site.put(5)
    site.transcripts.chmod(0o500)
    assert site.run(prefix=bound()).status == 74
    site.transcripts.chmod(0o700)
    (site.state / "ledger.sqlite").write_bytes(b"garbage" * 2000)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches), site.waiting) == (spooled, 1, {})


def test_nothing_is_adopted_while_a_folder_is_away(meet: Met) -> None:
    """Its records could not be recognised, and would be sent again later."""
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = {**site.put(3), **site.put(2, "feedback")}
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    away = site.feedback.rename(site.folder / "away")
    ingress.script = [accept()]
    done = site.run()
    assert (done.status, len(ingress.uploads)) == (74, 1)
    assert "nothing is sent while feedback is away" in done.stderr
    away.rename(site.feedback)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches), site.waiting) == (spooled, 1, {})


def test_folder_that_was_never_made_keeps_no_archive_of_others_back(meet: Met) -> None:
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    site.feedback.rmdir()
    spooled = site.put(3)
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    ingress.script = [accept()]
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches), site.waiting) == (spooled, 1, {})


def test_limits_and_requests_are_kept_while_nothing_can_be_adopted(meet: Met) -> None:
    site, _ = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    site.put(1)
    site.put(1, "feedback")
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    site.feedback.rename(site.folder / "away")
    site.configure(max_spool_bytes=0)
    site.put(2, conversation="gone")
    (site.transcripts / ".forget_gone_00000001").touch()
    done = site.run()
    assert (done.status, "2 forgotten" in done.stderr) == (74, True)
    assert list((site.state / "outgoing").iterdir()) != []


def test_request_waits_for_an_archive_that_can_not_be_adopted_yet(meet: Met) -> None:
    """The archive may be sent once it is adopted: to tell the record as forgotten before would be a lie."""
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    site.put(1, conversation="gone")
    site.put(1, "feedback")
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    site.feedback.rename(site.folder / "away")
    (site.transcripts / ".forget_gone_00000001").touch()
    done = site.run()
    assert (done.status, "forgotten" in done.stderr, len(site.waiting)) == (74, False, 1)
    (site.folder / "away").rename(site.feedback)
    ingress.script = [accept()]
    assert site.run().status == 0
    assert site.run().status == 0
    assert (site.waiting, list(site.transcripts.iterdir()), len(ingress.batches)) == ({}, [], 1)


def test_limits_wait_for_an_archive_that_can_not_be_read_and_requests_do_not(meet: Met) -> None:
    """Its records would be told as dropped, never sent; which they are is not known."""
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = site.put(3)
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    (archive,) = (site.state / "outgoing").iterdir()
    archive.chmod(0)
    site.configure(max_spool_bytes=0)
    site.put(1, conversation="gone")
    (site.transcripts / ".forget_gone_00000001").touch()
    done = site.run(prefix=bound())
    assert (done.status, done.report["dropped"], site.waiting) == (73, 0, spooled)
    archive.chmod(0o600)
    ingress.script = [accept()]
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches), site.waiting) == (spooled, 1, {})


def test_limits_spare_what_can_not_be_adopted_yet(meet: Met) -> None:
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = {**site.put(2), **site.put(1, "feedback")}
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    site.feedback.rename(site.folder / "away")
    site.configure(max_spool_bytes=0)
    dropped = site.put(2)
    done = site.run()
    assert (done.status, done.report["dropped"]) == (74, len(dropped))
    (site.folder / "away").rename(site.feedback)
    ingress.script = [accept()]
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches)) == (spooled, 1)


@pytest.mark.parametrize("what", ["archive", "record"])
def test_nothing_is_adopted_that_can_not_be_looked_at(meet: Met, what: str) -> None:
    """It would be taken for lost, and sent again in another batch."""
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = site.put(3)
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    (archive,) = (site.state / "outgoing").iterdir()
    locked = archive if what == "archive" else site.path(next(iter(spooled)))
    locked.chmod(0)
    ingress.script = [accept()]
    done = site.run(prefix=bound())
    assert (done.status, len(ingress.uploads)) == (73 if what == "archive" else 74, 1)
    assert f"{locked.name}: Permission denied" in done.stderr
    locked.chmod(0o644)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches), site.waiting) == (spooled, 1, {})


def test_records_that_were_not_there_when_their_archive_was_adopted_are_not_sent_again(meet: Met) -> None:
    """The spool's mount point was there, and empty."""
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = site.put(3)
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    away = site.transcripts.rename(site.folder / "away")
    site.transcripts.mkdir()
    ingress.script = [accept()]
    assert site.run().status == 0
    site.transcripts.rmdir()
    away.rename(site.transcripts)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches)) == (spooled, 1)


def test_stub_of_an_archive_is_not_adopted(site: Site, ingress: FaultyIngress) -> None:
    """Three bytes of one make tarfile fail in a way of its own."""
    (site.state / "outgoing").mkdir(parents=True)
    (site.state / "outgoing" / f"{'0' * 32}.tar.gz").write_bytes(b"\x1f\x8b\x08")
    spooled = site.put(1)
    assert site.run().status == 0
    assert ingress.records == spooled


def test_adopted_archive_deletes_only_what_it_holds(meet: Met) -> None:
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    member, _other = spooled = site.put(2)
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    site.path(member).write_bytes(b'{"another": "record"}')
    ingress.script = [accept()]
    assert site.run().status == 0
    assert ingress.stored[0].members == ingress.stored[1].members == spooled
    assert ingress.stored[2].members == {member: b'{"another": "record"}'}
    assert site.waiting == {}


def test_unsound_archive_is_not_adopted(site: Site, ingress: FaultyIngress) -> None:
    (site.state / "outgoing").mkdir(parents=True)
    (site.state / "outgoing" / f"{'0' * 32}.tar.gz").write_bytes(b"no archive")
    spooled = site.put(2)
    assert site.run().status == 0
    assert ingress.records == spooled
    assert list((site.state / "outgoing").iterdir()) == []


@pytest.mark.parametrize("name", ["transcripts/../../escaped.json", "/etc/passwd", "transcripts/x.json"])
def test_archive_of_something_else_is_not_adopted(site: Site, ingress: FaultyIngress, name: str) -> None:
    packed = archive({name: b"{}"})
    outgoing = site.state / "outgoing"
    outgoing.mkdir(parents=True)
    (outgoing / f"{hashlib.sha256(packed).hexdigest()[:32]}.tar.gz").write_bytes(packed)
    assert site.run().status == 0
    assert (ingress.uploads, list(outgoing.iterdir())) == ([], [])


def test_archive_under_a_wrong_name_is_not_adopted(site: Site, ingress: FaultyIngress) -> None:
    outgoing = site.state / "outgoing"
    outgoing.mkdir(parents=True)
    (outgoing / f"{'0' * 32}.tar.gz").write_bytes(archive({member(): b"{}"}))
    assert site.run().status == 0
    assert (ingress.uploads, list(outgoing.iterdir())) == ([], [])


def test_adopted_archive_whose_records_are_gone_is_sent_all_the_same(site: Site, ingress: FaultyIngress) -> None:
    name = member()
    packed = archive({name: b"{}"})
    outgoing = site.state / "outgoing"
    outgoing.mkdir(parents=True)
    (outgoing / f"{hashlib.sha256(packed).hexdigest()[:32]}.tar.gz").write_bytes(packed)
    assert site.run().status == 0
    assert ingress.records == {name: b"{}"}


def test_lost_ledger_begun_anew_by_another_command_repeats_the_pending_batch_all_the_same(meet: Met) -> None:
    site, ingress = meet(accept(), faults.drop_response(store=True), retry_wait_seconds=1000)
    (bad,) = site.put(1, content=b"no record")
    sent = site.put(1)
    assert site.run().status == 65
    spooled = site.put(5)
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    assert site.collector("quarantine", "discard", bad).status == 0
    ingress.script = [accept()]
    more = site.put(1)
    assert site.run().status == 0
    assert ingress.records == {**sent, **spooled, **more}
    assert sorted(ingress.deliveries) == sorted(ingress.records)


def test_lost_ledger_and_a_run_killed_while_it_begins_a_new_one(meet: Met) -> None:
    strace.needed()
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = site.put(5)
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    ingress.script = [accept()]
    more = site.put(1)
    made = strace.injecting(site.folder / "trace", "ftruncate", 2, "signal=KILL")
    assert site.run(prefix=made).status in (-9, 137)
    assert (site.state / "ledger.sqlite").stat().st_size > 0
    assert site.run().status == 0
    assert ingress.records == {**spooled, **more}
    assert sorted(ingress.deliveries) == sorted(ingress.records)


def test_large_record_of_a_lost_ledger_is_known_again(meet: Met) -> None:
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = site.put(1, content=b"{" + b" " * (9 << 20) + b"}")
    assert site.run().status == 75
    (site.state / "ledger.sqlite").unlink()
    ingress.script = [accept()]
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches), len(ingress.uploads), site.waiting) == (spooled, 1, 2, {})

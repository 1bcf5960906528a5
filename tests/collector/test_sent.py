"""`cleanup_after_send: false`: nothing is sent twice, and turning it on deletes what was sent."""

import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightspeed_collector.batch import Identity
from lightspeed_collector.database import Database
from lightspeed_collector.ledger import identity_text
from lightspeed_collector.retention import Entry
from lightspeed_collector.sent import CHUNK, Sent
from lightspeed_collector.spool import Spool
from tests.collector.conftest import Met
from tests.fakes import clock, strace
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.privileges import bound
from tests.fakes.site import Site, record


def test_kept_records_are_never_sent_again(site: Site, ingress: FaultyIngress) -> None:
    site.configure(cleanup_after_send=False)
    first = site.put(3)
    assert site.run().report["left"] == 0
    second = site.put(2, "feedback")
    for _ in range(2):
        assert site.run().status == 0
    assert site.waiting == {**first, **second}
    assert [set(upload.members) for upload in ingress.stored] == [set(first), set(second)]


def test_turning_cleanup_on_deletes_what_was_sent_and_sends_the_rest(site: Site, ingress: FaultyIngress) -> None:
    site.configure(cleanup_after_send=False)
    first = site.put(3)
    site.run()
    second = site.put(2)
    site.configure(cleanup_after_send=True)
    assert site.run().status == 0
    assert site.waiting == {}
    assert [set(upload.members) for upload in ingress.stored] == [set(first), set(second)]


def test_record_that_was_sent_and_stays_for_a_failure_is_told_as_such(site: Site, ingress: FaultyIngress) -> None:
    (member,) = site.put(1)
    site.transcripts.chmod(0o555)
    try:
        runs = [site.run(prefix=bound()) for _ in range(2)]
    finally:
        site.transcripts.chmod(0o755)
    for done in runs:
        told = f"{site.path(member)}: Permission denied: it was sent and can't be removed; it won't be sent again"
        assert done.status == 74
        assert done.stderr.count(told) == 1
    assert len(ingress.stored) == 1


def test_kept_record_that_became_another_is_sent_and_survives(site: Site, ingress: FaultyIngress) -> None:
    site.configure(cleanup_after_send=False)
    member, other = site.put(2)
    site.run()
    site.path(member).unlink()
    site.path(member).write_bytes(record(99))
    assert site.run().report["sent"] == 1
    assert ingress.stored[1].members == {member: record(99)}
    site.path(other).write_bytes(record(100))
    site.configure(cleanup_after_send=True, enabled=True)
    assert site.run().report["sent"] == 1
    assert ingress.stored[2].members == {other: record(100)}
    assert site.waiting == {}


def test_spool_that_was_copied_to_another_disk_is_not_sent_again(site: Site, ingress: FaultyIngress) -> None:
    site.configure(cleanup_after_send=False)
    kept = site.put(3)
    site.run()
    shutil.copytree(site.transcripts, site.folder / "copy")
    shutil.rmtree(site.transcripts)
    (site.folder / "copy").rename(site.transcripts)
    assert site.run().report["sent"] == 0
    assert (site.waiting, len(ingress.uploads)) == (kept, 1)


@pytest.mark.parametrize("cleanup", [True, False])
def test_record_that_can_not_be_looked_at_keeps_nothing_back(site: Site, ingress: FaultyIngress, cleanup: bool) -> None:
    """lstat(2) of one fails, as on a bad disk."""
    strace.needed()
    site.configure(cleanup_after_send=False)
    bad, *_ = site.put(3)
    site.run()
    site.configure(cleanup_after_send=cleanup)
    more = site.put(2)
    tracing = ("strace", "-f", "-o", str(site.folder / "trace"), "-P", site.path(bad).name)
    done = site.run(prefix=(*tracing, "-e", "inject=newfstatat:error=EIO"))
    assert (done.status, done.report["sent"]) == (74, 2)
    assert f"{site.path(bad)}: Input/output error" in done.stderr
    assert set(ingress.stored[1].members) == set(more)
    assert site.path(bad).exists()
    assert site.run().status == 0
    assert len(ingress.stored) == 2


def test_kept_records_are_no_surplus(site: Site) -> None:
    site.configure(cleanup_after_send=False, max_spool_bytes=0, max_record_age=1)
    spooled = site.put(3)
    for _ in range(2):
        assert site.run().report["dropped"] == 0
    assert site.waiting == spooled


def test_status_tells_kept_records_from_waiting_ones(site: Site) -> None:
    site.configure(cleanup_after_send=False)
    site.put(3)
    site.run()
    shown = site.collector("status").stdout
    assert "0 records, 0 bytes" in shown
    assert "3 records were sent and stay" in shown


def test_quarantined_record_of_a_site_that_keeps_is_kept_in_the_quarantine(meet: Met) -> None:
    site, _ = meet(cleanup_after_send=False)
    bad = site.put(1, content=b"no")
    good = site.put(1)
    assert site.run().status == 65
    assert (site.quarantined, site.waiting) == (bad, good)


def test_any_number_of_names(tmp_path: Path) -> None:
    (tmp_path / "transcripts").mkdir()
    database = Database(tmp_path / "ledger.sqlite")
    with Spool({"transcripts": tmp_path / "transcripts"}) as spool:
        members = [f"transcripts/20250804T165952.{number:06d}Z_a_00000000.json" for number in range(CHUNK * 2 + 7)]
        for member in members:
            os.close(os.open(tmp_path / member, os.O_CREAT | os.O_WRONLY))
        with database.transaction():
            database.execute_many(
                "INSERT INTO sent (storage, name, identity, looked_at) VALUES (?, ?, ?, 0)",
                (
                    (*member.split("/"), identity_text(spool.look(member) or Identity(0, 0, 0)))
                    for member in members[::2]
                ),
            )
        sent = Sent(database, spool)
        assert list(sent.unsent(members)) == members[1::2]
        removed: list[Entry] = []

        def delete(entries: list[Entry]) -> list[Entry]:
            removed.extend(entries)
            return entries[:1]

        sent.remove(delete)  # type: ignore[arg-type]
        assert [entry.member for entry in removed] == members[::2]
        assert list(sent.unsent(members)) != members
        assert _count(database) == 2
    database.close()


def _count(database: Database) -> int:
    return int(database.query("SELECT count(*) FROM sent")[0][0])


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_names_of_vanished_records_are_forgotten_in_time(there: list[bool]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder) / "transcripts"
        storage.mkdir()
        database = Database(Path(folder) / "ledger.sqlite")
        with Spool({"transcripts": storage}) as spool:
            for number, exists in enumerate(there):
                name = f"20250804T165952.{number:06d}Z_a_00000000.json"
                (storage / name).write_text("{}")
                with database.transaction():
                    row = (
                        "transcripts",
                        name,
                        identity_text(spool.look(f"transcripts/{name}") or Identity(0, 0, 0)),
                    )
                    database.execute(
                        "INSERT INTO sent (storage, name, identity, looked_at) VALUES (?, ?, ?, 100)", *row
                    )
                if not exists:
                    (storage / name).unlink()
            sent = Sent(database, spool)
            sent.prune(150, 100)
            assert _count(database) == len(there)
            sent.prune(250, 100)
            assert _count(database) == len(there), "one look may be the wrong one"
            sent.prune(300, 100)
            assert _count(database) == len(there)
            sent.prune(400, 100)
            assert _count(database) == sum(there)
        database.close()


def test_folder_that_is_away_for_long_is_not_taken_for_an_empty_one(site: Site, ingress: FaultyIngress) -> None:
    site.configure(cleanup_after_send=False)
    kept = site.put(3)
    assert site.run().status == 0
    away = site.transcripts.rename(site.folder / "away")
    for days in (40, 80):
        assert site.run(environ=clock.later(site.folder, timedelta(days=days))).status == 0
    away.rename(site.transcripts)
    more = site.put(1)
    assert site.run(environ=clock.later(site.folder, timedelta(days=81))).status == 0
    assert [set(upload.members) for upload in ingress.stored] == [set(kept), set(more)]


def test_mount_point_that_is_empty_at_one_run_does_not_make_forget_what_was_sent(
    site: Site, ingress: FaultyIngress
) -> None:
    site.configure(cleanup_after_send=False)
    kept = site.put(3)
    assert site.run().status == 0
    away = site.transcripts.rename(site.folder / "away")
    site.transcripts.mkdir()
    assert site.run(environ=clock.later(site.folder, timedelta(days=40))).status == 0
    site.transcripts.rmdir()
    away.rename(site.transcripts)
    assert site.run(environ=clock.later(site.folder, timedelta(days=41))).status == 0
    assert [set(upload.members) for upload in ingress.stored] == [set(kept)]


@pytest.mark.parametrize("empty", [True, False], ids=["a mount point", "nothing"])
def test_folder_that_is_away_when_its_records_are_to_be_deleted(
    site: Site, ingress: FaultyIngress, empty: bool
) -> None:
    """As after a power failure, when a run comes before the spool is mounted."""
    strace.needed()
    sent = site.put(3)
    deleting = strace.injecting(site.folder / "trace", "unlinkat", 1, "signal=KILL")
    assert site.run(prefix=deleting).status in (-9, 137)
    assert (ingress.records, site.waiting) == (sent, sent)
    away = site.transcripts.rename(site.folder / "away")
    if empty:
        site.transcripts.mkdir()
    assert site.run().status == 0
    if empty:
        site.transcripts.rmdir()
    away.rename(site.transcripts)
    more = site.put(1)
    assert site.run().status == 0
    assert [set(upload.members) for upload in ingress.stored] == [set(sent), set(more)]
    assert site.waiting == {}

"""The state directory when it is damaged, full, gone or not ours, through the real command."""

import fcntl
import json
import os
import random
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes import strace
from tests.fakes.ingress_faults import Connection, FaultyIngress, accept, answer
from tests.fakes.privileges import bound
from tests.fakes.site import Site


def test_state_is_private(site: Site) -> None:
    site.run()
    assert site.state.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in site.state.rglob("*") if path.is_dir()} == {0}


def test_archive_nobody_claimed_is_removed(site: Site) -> None:
    site.run()
    orphan = site.state / "outgoing" / f"{'0' * 32}.tar.gz"
    orphan.write_bytes(b"left behind")
    assert site.run().status == 0
    assert not orphan.exists()


def test_state_that_can_not_be_made_sends_nothing(site: Site, ingress: FaultyIngress) -> None:
    site.state.write_text("a file is in the way")
    spooled = site.put(2)
    done = site.run()
    assert (done.status, site.waiting, ingress.uploads) == (73, spooled, [])


def test_state_that_can_not_be_written_sends_nothing(site: Site, ingress: FaultyIngress) -> None:
    site.state.mkdir(mode=0o500)
    spooled = site.put(2)
    done = site.run(prefix=bound())
    site.state.chmod(0o700)
    assert (done.status, site.waiting, ingress.uploads) == (73, spooled, [])


def test_state_that_vanishes_during_an_upload_deletes_nothing(meet: Met) -> None:
    gate = threading.Event()
    site, ingress = meet(faults.gated(gate, accept()), accept())
    spooled = site.put(2)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        shutil.rmtree(site.state)
        gate.set()
        assert run.wait() in (73, 74)
    assert site.waiting == spooled
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches)) == (spooled, 1)


def test_records_that_can_not_be_deleted_are_not_sent_again(site: Site, ingress: FaultyIngress) -> None:
    spooled = site.put(3)
    site.transcripts.chmod(0o500)
    for _ in range(2):
        assert site.run(prefix=bound()).status == 74
    later = site.put(2, "feedback")
    done = site.run(prefix=bound())
    site.transcripts.chmod(0o700)
    assert (done.status, done.report["sent"]) == (74, 2)
    assert site.run().status == 0
    assert site.waiting == {}
    assert (ingress.records, len(ingress.deliveries)) == ({**spooled, **later}, 5)


def test_killed_between_receipt_and_deletion_deletes_and_does_not_send(meet: Met) -> None:
    site, ingress = meet()
    site.put(2000)
    with site.start("run") as run:
        run.wait_for("sent batch")
        run.signal(signal.SIGKILL)
        run.wait()
    assert site.run().status == 0
    assert (site.waiting, len(ingress.uploads)) == ({}, 1)


def test_small_file_size_limit_makes_smaller_batches(site: Site, ingress: FaultyIngress) -> None:
    """As a quota or a disk nearly full would."""
    spooled = {}
    for _ in range(8):
        spooled.update(site.put(1, content=json.dumps({"noise": os.urandom(100_000).hex()}).encode()))
    done = site.run(prefix=("prlimit", "--fsize=500000"))
    assert done.status == 0
    assert ingress.records == spooled
    assert done.report["batches"] > 1


def test_state_of_a_later_release_is_left_alone(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    site.run()
    connection = sqlite3.connect(site.state / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    site.put(1)
    assert site.run().status == 73
    assert ingress.uploads == []


def test_busy_ingress_leaves_one_archive(meet: Met) -> None:
    """However many runs fail, the disk does not fill."""
    site, _ = meet(answer(503))
    site.put(3)
    for _ in range(3):
        site.run()
        site.put(3)
    assert len(list((site.state / "outgoing").iterdir())) == 1


def test_archive_that_vanishes_is_not_taken_for_a_broken_network(meet: Met) -> None:
    site, ingress = meet(answer(503), accept(), retry_wait_seconds=2)
    spooled = site.put(2)
    with site.start("run") as run:
        run.wait_for("trying again in")
        (site.state / "outgoing").rename(site.state / "gone")
        assert run.wait() == 73
    assert site.waiting == spooled
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches)) == (spooled, 1)


def test_archive_that_is_damaged_between_two_tries_never_arrives_whole(meet: Met) -> None:
    site, ingress = meet()

    def damage(connection: Connection) -> None:
        answer(503)(connection)
        (archive,) = (site.state / "outgoing").iterdir()
        content = bytearray(archive.read_bytes())
        content[len(content) // 2] ^= 1
        archive.write_bytes(content)

    ingress.script = [damage, accept()]
    spooled = site.put(5)
    done = site.run()
    assert (done.status, ingress.stored, site.waiting) == (73, [], spooled)
    assert "damaged" in done.stderr
    assert site.run().status == 0
    assert (ingress.records, site.waiting) == (spooled, {})
    assert {upload.batch_id for upload in ingress.stored} == {ingress.uploads[0].batch_id}


def test_lost_archive_is_not_made_again_without_a_folder_that_is_away(meet: Met) -> None:
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = {**site.put(3), **site.put(2, "feedback")}
    assert site.run().status == 75
    (archive,) = (site.state / "outgoing").iterdir()
    archive.unlink()
    away = site.feedback.rename(site.folder / "away")
    more = site.put(1)
    ingress.script = [accept()]
    done = site.run()
    assert (done.status, done.report["sent"]) == (74, 1)
    assert "can't be made again while folders are away: feedback" in done.stderr
    away.rename(site.feedback)
    assert site.run().status == 0
    assert (ingress.records, site.waiting) == ({**spooled, **more}, {})
    assert len({upload.batch_id for upload in ingress.uploads}) == 2


def test_archive_that_may_not_be_read_is_not_taken_for_a_lost_one(meet: Met) -> None:
    site, ingress = meet(faults.drop_response(store=True), retry_wait_seconds=1000)
    spooled = site.put(3)
    assert site.run().status == 75
    site.configure(compression=9)
    (archive,) = (site.state / "outgoing").iterdir()
    archive.chmod(0)
    ingress.script = [accept()]
    done = site.run(prefix=bound())
    assert (done.status, site.waiting) == (73, spooled)
    assert f"{archive.name}: Permission denied" in done.stderr
    archive.chmod(0o600)
    assert site.run().status == 0
    assert (ingress.records, len(ingress.batches)) == (spooled, 1)


@pytest.mark.parametrize("seed", range(12))
def test_ledger_with_flipped_bits_never_stops_the_collector(meet: Met, seed: int) -> None:
    """A damaged ledger is set aside, or the damage is where it harms nothing; all is sent in any case."""
    site, ingress = meet(cleanup_after_send=False, retry_wait_seconds=1000)
    first = site.put(20)
    assert site.run().status == 0
    ingress.script = [faults.drop_response(store=True)]
    second = site.put(5)
    assert site.run().status == 75
    ingress.script = [accept()]
    ledger = site.state / "ledger.sqlite"
    content, chance = bytearray(ledger.read_bytes()), random.Random(seed)
    for _ in range(40):
        content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)
    ledger.write_bytes(content)
    done = site.run()
    assert done.status == 0, done.stderr
    assert ingress.records == {**first, **second}


def test_damage_in_a_large_ledger_is_found_when_it_is_met(site: Site) -> None:
    """It is too large to be read through at each start; what happened before is not done in silence."""
    site.run()
    ledger = site.state / "ledger.sqlite"
    connection = sqlite3.connect(ledger)
    with connection:
        rows = ((float(number), "dropped", "x" * 100, 1, "y" * 100) for number in range(45_000))
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
    ((root,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event'")
    connection.close()
    content = bytearray(ledger.read_bytes())
    assert len(content) > 2048 * 4096
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    ledger.write_bytes(content)
    bad = site.put(1, content=b"no record")
    done = site.run()
    assert (done.status, site.quarantined) == (65, bad)
    assert f"quarantined {next(iter(bad))}" in done.stderr
    assert "begun anew" in done.stderr
    assert len(list(site.state.glob("ledger.sqlite.corrupt-*"))) == 1


@pytest.mark.parametrize("kind", ["folder", "stranger"])
def test_leftover_that_can_not_be_removed_is_told_and_stops_nothing(
    site: Site, ingress: FaultyIngress, kind: str
) -> None:
    site.run()
    name = f"{'0' * 32}.tar.gz" if kind == "folder" else "holiday.tar.gz"
    (site.state / "outgoing" / name).mkdir()
    spooled = site.put(2)
    done = site.run()
    assert (done.status, ingress.records, site.waiting) == (73 if kind == "folder" else 0, spooled, {})


def test_run_that_waits_for_an_operator_in_the_middle_of_an_upload_goes_on(meet: Met) -> None:
    """The third batch, in which a record is none, is built while the second is on its way."""
    first, second = threading.Event(), threading.Event()
    site, ingress = meet(
        faults.gated(first, accept()), faults.gated(second, accept()), accept(), max_archive_bytes=8192
    )
    spooled = site.put(7)
    bad = site.put(1, content=b"no record")
    spooled |= site.put(1)
    site.quarantine.mkdir(parents=True)
    descriptor = os.open(site.quarantine, os.O_RDONLY)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        first.set()
        run.wait_for("held by another command")
        os.close(descriptor)
        second.set()
        assert run.wait() == 65
        assert not [line for line in run.log if "internal error" in line]
    assert (ingress.records, site.quarantined, site.waiting) == (spooled, bad, {})


def test_table_that_is_missing_is_a_corrupt_ledger(meet: Met) -> None:
    site, ingress = meet(answer(503))
    spooled = site.put(2)
    assert site.run().status == 75
    connection = sqlite3.connect(site.state / "ledger.sqlite")
    connection.execute("DROP TABLE sent")
    connection.close()
    ingress.script = [accept()]
    done = site.run()
    assert (done.status, ingress.records, site.waiting) == (0, spooled, {})
    assert "corrupt" in done.stderr


def test_ledger_of_the_release_before_is_taken_over(site: Site, ingress: FaultyIngress) -> None:
    site.configure(cleanup_after_send=False)
    kept = site.put(2)
    site.run()
    connection = sqlite3.connect(site.state / "ledger.sqlite")
    connection.executescript(
        "ALTER TABLE sent RENAME COLUMN looked_at TO seen_at; ALTER TABLE sent DROP COLUMN missing; PRAGMA user_version = 1"
    )
    connection.close()
    assert site.collector("status").status == 0
    more = site.put(1)
    assert site.run().status == 0
    assert [set(upload.members) for upload in ingress.stored] == [set(kept), set(more)]


def test_sigterm_ends_a_run_that_waits_for_an_operator(site: Site) -> None:
    """Who holds the quarantine may have stopped in the middle."""
    site.put(1)
    site.run()
    descriptor = os.open(site.quarantine, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with site.start("run") as run:
        run.wait_for("held by another command")
        run.signal(signal.SIGTERM)
        assert run.wait(5) == 75
    os.close(descriptor)


def test_damaged_claim_is_a_corrupt_ledger(meet: Met) -> None:
    site, ingress = meet(answer(503))
    spooled = site.put(2)
    assert site.run().status == 75
    connection = sqlite3.connect(site.state / "ledger.sqlite")
    connection.execute("UPDATE batch SET identities = x'00'")
    connection.commit()
    connection.close()
    ingress.script = [accept()]
    done = site.run()
    assert (done.status, ingress.records, site.waiting) == (0, spooled, {})
    assert "corrupt" in done.stderr


@pytest.mark.parametrize("rid", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["removed", "emptied"])
def test_ledger_that_is_gone_is_told(site: Site, ingress: FaultyIngress, rid: Callable[[Path], object]) -> None:
    site.configure(cleanup_after_send=False)
    spooled = site.put(2)
    first = site.run()
    rid(site.state / "ledger.sqlite")
    done = site.run()
    assert "ledger.sqlite is missing or empty" in done.stderr
    assert "ledger.sqlite" not in first.stderr
    assert "ledger.sqlite" not in site.run().stderr
    assert (done.status, site.waiting, len(ingress.uploads)) == (0, spooled, 2)


def test_damaged_page_is_one_line(site: Site) -> None:
    site.configure(cleanup_after_send=False)
    site.put(300)
    site.run()
    ledger = site.state / "ledger.sqlite"
    data = bytearray(ledger.read_bytes())
    middle = len(data) // 4096 // 2 * 4096
    data[middle : middle + 4096] = os.urandom(4096)
    ledger.write_bytes(data)
    done = site.run()
    lines = done.stderr.splitlines()
    assert [line for line in lines if "corrupt" in line and "kept as" in line]
    assert not [line for line in lines if line.startswith(("Tree", "Page", "Free"))]


@pytest.mark.parametrize("folder", ["outgoing", "quarantine"])
def test_state_folder_that_can_not_be_read_is_told(site: Site, ingress: FaultyIngress, folder: str) -> None:
    strace.needed()
    spooled = site.put(2)
    site.run()
    more = site.put(2)
    log = ("-o", str(site.folder / "trace"), "-P", str(site.state / folder))
    done = site.run(prefix=("strace", "-f", *log, "-e", "inject=openat:error=EIO"))
    assert done.status == 73
    assert f"{folder}: Input/output error" in done.stderr
    assert site.run().status == 0
    assert (ingress.records, site.waiting) == ({**spooled, **more}, {})

"""Every way in which the collectors before this one lost, repeated or leaked data, and what this one does instead."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import tarfile
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from tests.collector.conftest import Met
from tests.fakes import clock
from tests.fakes import ingress_faults as faults
from tests.fakes.ingress_faults import Connection, FaultyIngress, accept, answer
from tests.fakes.privileges import bound
from tests.fakes.reference_ingress import Ingress
from tests.fakes.site import Site, record


def test_reference_ingress_takes_the_upload(tmp_path: Path) -> None:
    """The first one posted the bare tar, which the real server refuses."""
    with Ingress(tmp_path / "store", "--services", "lightspeed") as ingress:
        site = Site(tmp_path / "site", ingress.url)
        spooled = {**site.put(2), **site.put(1, "feedback")}
        assert site.run().status == 0
        (archive,) = ingress.folder.glob("*.tar.gz")
        assert faults.unpacked(archive.read_bytes()) == spooled


def test_unreadable_record_is_kept_and_the_others_go(site: Site, ingress: FaultyIngress) -> None:
    unreadable, *others = spooled = site.put(3)
    site.path(unreadable).chmod(0)
    done = site.run(prefix=bound())
    assert done.status == 74
    assert sorted(ingress.records) == sorted(others)
    assert done.report["left"] == 1
    site.path(unreadable).chmod(0o640)
    assert site.run().status == 0
    assert ingress.records == spooled
    assert len(ingress.deliveries) == 3


def test_record_that_shrinks_does_not_harm_the_archive(site: Site, ingress: FaultyIngress) -> None:
    """A large record is read in pieces: it is cut while it is being read."""
    others = site.put(2)
    large = json.dumps({"llm_response": "x" * (40 << 20)}).encode()
    (member,) = site.put(1, content=large)
    behind = site.put(2)
    with site.start("run") as run:
        while run.popen.poll() is None and not list((site.state / "outgoing").glob("*")):
            time.sleep(0.001)
        with suppress(FileNotFoundError):  # a run that was quicker has sent it
            os.truncate(site.path(member), 9 << 20)
        run.wait()
    assert site.run().status in (0, 65)
    assert {**others, **behind}.items() <= ingress.records.items()
    assert ingress.records.get(member, large) == large
    assert member in {**ingress.records, **site.waiting, **site.quarantined}


def test_half_written_record_is_left_to_its_writer(site: Site, ingress: FaultyIngress) -> None:
    """Other writers open the final name and write: wait for them."""
    whole = record(1)
    (member,) = site.put(1, content=whole[:20])
    others = site.put(2)
    with site.path(member).open("ab") as writer:
        assert site.run().status == 0
        assert ingress.records == others
        writer.write(whole[20:])
    assert site.run().status == 0
    assert ingress.records == {member: whole, **others}


def test_two_sites_in_one_second_do_not_mix(tmp_path: Path, ingress: FaultyIngress) -> None:
    sites = [Site(tmp_path / name, ingress.url) for name in "ab"]
    spooled = {**sites[0].put(3, conversation="a"), **sites[1].put(3, conversation="b")}
    runs = [site.start("run") for site in sites]
    for run in runs:
        run.__enter__()
    assert [run.wait() for run in runs] == [0, 0]
    for run in runs:
        run.stop()
    assert ingress.records == spooled


def test_archives_are_private_and_not_in_tmp(meet: Met, tmp_path: Path) -> None:
    site, ingress = meet(faults.stall_response(store=False))
    site.put(2)
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    with site.start("run", environ={"TMPDIR": str(elsewhere)}) as run:
        ingress.arrivals.get(timeout=30)
        (archive,) = (site.state / "outgoing").glob("*.tar.gz")
        assert archive.stat().st_mode & 0o777 == 0o600
        assert site.state.stat().st_mode & 0o777 == 0o700
        assert list(elsewhere.iterdir()) == []
        run.signal(signal.SIGKILL)
        run.wait()


def test_symlink_planted_for_the_archive_is_not_followed(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (site.state / "outgoing").mkdir(parents=True)
    (site.state / "outgoing" / ".draft").symlink_to(victim)
    site.put(2)
    site.run()
    assert victim.read_text() == "precious"
    assert site.run().status == 0
    assert len(ingress.records) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_no_success_and_is_not_followed(meet: Met, status: int) -> None:
    site, ingress = meet(answer(status, "Location: /elsewhere"))
    spooled = site.put(2)
    done = site.run()
    assert done.status == 69
    assert [upload.method for upload in ingress.uploads] == ["POST"]
    assert site.waiting == spooled
    assert "ingress_server_url" in done.stderr


@pytest.mark.parametrize("status", [200, 203, 204, 205, 206, 207])
def test_login_page_is_no_success(meet: Met, status: int) -> None:
    page = b"" if status in (204, 205) else b"<html>Log in</html>"
    site, ingress = meet(answer(status, "Content-Type: text/html", body=page))
    spooled = site.put(2)
    assert site.run().status == 69
    assert len(ingress.uploads) == 1
    assert site.waiting == spooled


def test_failed_builds_leave_no_archive_behind(site: Site) -> None:
    site.put(2)
    (site.state / "outgoing").mkdir(parents=True)
    (site.state / "outgoing").chmod(0o500)
    try:
        statuses = {site.run(prefix=bound()).status for _ in range(2)}
    finally:
        (site.state / "outgoing").chmod(0o700)
    assert statuses == {73}
    assert list((site.state / "outgoing").iterdir()) == []


def test_folder_named_as_a_record_is_left_alone(site: Site, ingress: FaultyIngress) -> None:
    (member,) = site.put(1)
    site.path(member).unlink()
    site.path(member).mkdir()
    inside = site.path(member) / "secret.txt"
    inside.write_text("not for you")
    spooled = site.put(2)
    for _ in range(2):
        assert site.run().status == 0
    assert ingress.records == spooled
    assert inside.read_text() == "not for you"
    assert json.loads(site.collector("status", "--json").stdout)["spool"]["strangers"] == 1


def test_backlog_over_the_limit_goes_in_several_batches(meet: Met) -> None:
    site, ingress = meet(faults.too_large(6000), max_archive_bytes=6000)
    spooled = {}
    for _ in range(40):
        spooled.update(site.put(1, content=json.dumps({"noise": os.urandom(400).hex()}).encode()))
    done = site.run()
    assert done.status == 0
    assert ingress.records == spooled
    assert done.report["refused"] == 0
    assert all(len(upload.archive or b"") <= 6000 for upload in ingress.uploads)


def test_limit_of_the_ingress_below_ours_is_found(meet: Met) -> None:
    site, ingress = meet(faults.too_large(3000))
    spooled = {}
    for _ in range(40):
        spooled.update(site.put(1, content=json.dumps({"noise": os.urandom(400).hex()}).encode()))
    assert site.run().status == 0
    assert ingress.records == spooled
    assert len(ingress.deliveries) == 40


def test_archive_that_can_not_be_read_back_does_not_end_the_daemon(site: Site, ingress: FaultyIngress) -> None:
    """The first one died of TarError and ValueError: here an archive on its way is damaged."""
    ingress.script = [answer(503)]
    spooled = site.put(2)
    assert site.run().status == 75
    (archive,) = (site.state / "outgoing").glob("*.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises((tarfile.TarError, EOFError, OSError)):
        faults.unpacked(archive.read_bytes())
    ingress.script = [accept()]
    assert site.run().status == 0
    assert ingress.records == spooled


def test_feedback_that_fails_does_not_keep_transcripts_back(site: Site, ingress: FaultyIngress) -> None:
    feedback, transcripts = site.put(2, "feedback"), site.put(2)
    site.feedback.chmod(0)
    try:
        done = site.run(prefix=bound())
    finally:
        site.feedback.chmod(0o755)
    assert done.status == 74
    assert ingress.records == transcripts
    assert site.run().status == 0
    assert ingress.records == {**feedback, **transcripts}


def test_storage_folders_are_never_removed(site: Site) -> None:
    """Removing empty folders races with a writer that has just made one."""
    before = [folder.stat().st_ino for folder in (site.transcripts, site.feedback)]
    site.put(2)
    assert site.run().status == 0
    assert [folder.stat().st_ino for folder in (site.transcripts, site.feedback)] == before


def test_symlink_is_neither_sent_nor_removed(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(record(0))
    (member,) = site.put(1)
    site.path(member).unlink()
    site.path(member).symlink_to(secret)
    spooled = site.put(2)
    assert site.run().status == 0
    assert ingress.records == spooled
    assert site.path(member).is_symlink()


def test_deadline_ends_an_answer_that_drips(meet: Met) -> None:
    """Each byte comes in time; together they take for ever."""
    drip = faults.endless_head(0.05, store=False)
    site, ingress = meet(drip, accept(), connection_timeout_seconds=5, upload_deadline_seconds=1)
    spooled = site.put(2)
    done = site.run()
    assert (done.status, site.waiting) == (0, {})
    assert ingress.records == spooled
    assert 1 < done.seconds < 60


def test_answer_that_comes_late_and_in_drips_is_heard(meet: Met) -> None:
    whole = faults.head(202)
    site, ingress = meet(faults.drip(whole, 0.01), connection_timeout_seconds=1)
    site.put(2)
    assert site.run().status == 0
    assert len(ingress.uploads) == 1


@pytest.mark.parametrize(
    "lost",
    [faults.drop_response(store=True), faults.reset_response(store=True), faults.stall_response(store=True)],
    ids=["dropped", "reset", "stalled"],
)
def test_acceptance_whose_answer_is_lost_is_repeated_with_the_same_bytes(meet: Met, lost: faults.Behaviour) -> None:
    site, ingress = meet(lost, accept(), connection_timeout_seconds=0.5)
    spooled = site.put(3)
    assert site.run().status == 0
    first, again = ingress.stored
    assert (again.batch_id, again.sha256, again.filename) == (first.batch_id, first.sha256, first.filename)
    assert ingress.records == spooled
    assert len(ingress.deliveries) == 3


@pytest.mark.parametrize("status", [500, 503])
def test_outage_never_empties_the_spool(meet: Met, status: int) -> None:
    site, ingress = meet(answer(status))
    spooled = site.put(3)
    for _ in range(2):
        assert site.run().status == 75
    assert len(ingress.uploads) == 10
    assert site.waiting == spooled


def test_each_try_sends_the_whole_body(meet: Met) -> None:
    site, ingress = meet(answer(503), accept())
    spooled = site.put(3)
    assert site.run().status == 0
    refused, accepted = ingress.uploads
    assert accepted.archive == refused.archive
    assert ingress.records == spooled


def test_missing_credentials_delete_nothing(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    site.configure(ingress_server_auth_token_file=str(tmp_path / "nothing"))
    spooled = site.put(2)
    done = site.run()
    assert done.status == 78
    assert (site.waiting, ingress.uploads) == (spooled, [])
    assert "ingress_server_auth_token_file" in done.stderr


def test_full_spool_in_an_outage_drops_the_oldest_and_says_so(meet: Met) -> None:
    site, _ = meet(answer(503), max_spool_bytes=500)
    spooled = {
        **site.put(5, content=b'{"a": "' + b"x" * 91 + b'"}'),
        **site.put(2, "feedback", b'{"a": "' + b"x" * 91 + b'"}'),
    }
    first = site.run()
    assert first.report["left"] == 7, "a batch on its way is not dropped"
    site.put(10, content=b'{"a": "' + b"x" * 91 + b'"}')
    done = site.run()
    assert done.status == 75
    dropped = [line for line in done.stderr.splitlines() if "dropped" in line and "never sent" in line]
    assert len(dropped) == done.report["dropped"] == 5
    assert set(spooled) <= set(site.waiting)


def test_record_that_vanishes_during_the_upload_harms_nothing(meet: Met) -> None:
    gate = threading.Event()
    site, ingress = meet(faults.gated(gate, accept()))
    spooled = site.put(3)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        site.path(sorted(spooled)[1]).unlink()
        gate.set()
        assert run.wait() == 0
    assert ingress.records == spooled
    assert site.waiting == {}


def test_single_record_over_the_limit_is_quarantined_and_never_deleted(meet: Met) -> None:
    site, ingress = meet(max_archive_bytes=5000)
    large = json.dumps({"noise": os.urandom(8000).hex()}).encode()
    (member,) = site.put(1, content=large)
    others = site.put(3)
    done = site.run()
    assert done.status == 65
    assert ingress.records == others
    assert site.quarantined == {member: large}
    assert "max_archive_bytes" in (site.quarantine / f"{member}.reason").read_text()


def test_record_of_101_megabytes_goes_when_its_archive_fits(site: Site, ingress: FaultyIngress) -> None:
    """The limit is on the compressed size."""
    large = json.dumps({"llm_response": "x" * (101 << 20)}).encode()
    (member,) = site.put(1, content=large)
    assert site.run().status == 0
    assert ingress.records[member] == large


def test_record_too_large_is_kept_with_cleanup_off(meet: Met) -> None:
    site, _ = meet(max_archive_bytes=5000, cleanup_after_send=False)
    large = json.dumps({"noise": os.urandom(8000).hex()}).encode()
    (member,) = site.put(1, content=large)
    assert site.run().status == 65
    assert site.quarantined == {member: large}


def test_limits_hold_during_an_outage(meet: Met) -> None:
    site, _ = meet(answer(503), max_spool_bytes=0)
    site.put(4)
    assert site.run().report["dropped"] == 0
    site.put(4)
    assert site.run().report["dropped"] == 4


def test_limits_hold_when_the_ingress_refuses_us(meet: Met) -> None:
    site, _ = meet(answer(403), max_record_age=86400)
    site.put(1, age=timedelta(minutes=5))
    site.run()
    site.put(3, age=timedelta(days=2))
    fresh = site.put(2, age=timedelta(minutes=5))
    for hours in (3, 6):
        done = site.run(environ=clock.later(site.folder, timedelta(hours=hours)))
    assert (done.status, done.report["dropped"]) == (69, 3)
    assert fresh.items() <= site.waiting.items()


def test_record_rewritten_after_the_upload_is_not_deleted(meet: Met) -> None:
    gate = threading.Event()
    site, ingress = meet(faults.gated(gate, accept()), accept())
    member, other = spooled = site.put(2)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        site.path(member).unlink()
        site.path(member).write_bytes(record(99))
        gate.set()
        assert run.wait() == 0
    assert site.waiting == {member: record(99)}
    assert ingress.stored[0].members == spooled
    assert site.run().status == 0
    assert ingress.stored[1].members == {member: record(99)}
    assert other not in site.waiting


def test_growing_record_is_not_cut(site: Site, ingress: FaultyIngress) -> None:
    (member,) = site.put(1, content=b'{"a": 1')
    with site.path(member).open("ab") as writer:
        assert site.run().status == 0
        writer.write(b', "b": 2}')
    assert site.run().status == 0
    assert ingress.records == {member: b'{"a": 1, "b": 2}'}


@pytest.mark.parametrize("name", ["data", ".", "transcripts"])
def test_member_names_never_depend_on_where_the_spool_is(tmp_path: Path, ingress: FaultyIngress, name: str) -> None:
    site = Site(tmp_path / "data", ingress.url)
    spooled = site.put(2)
    moved = tmp_path / "data" / "transcripts" / name
    moved.mkdir(parents=True, exist_ok=True)
    for path in site.transcripts.iterdir():
        path.rename(moved / path.name)
    text = site.file.read_text().replace(str(site.transcripts), os.path.relpath(moved, site.folder))
    site.file.write_text(text)
    assert site.run().status == 0
    assert ingress.records == spooled


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b'{"request_id": 7}', b"[]", b"\xff\xfe", b"[" * 60000])
def test_acceptance_with_an_odd_body_counts(meet: Met, body: bytes) -> None:
    site, ingress = meet(accept(body=body))
    site.put(2)
    done = site.run()
    assert (done.status, site.waiting, len(ingress.uploads)) == (0, {}, 1)


def test_acceptance_without_any_request_id_counts(meet: Met) -> None:
    site, ingress = meet(answer(202, store=True))
    spooled = site.put(2)
    done = site.run()
    assert (done.status, done.report["request_ids"]) == (0, [""])
    assert "can't be understood" in done.stderr
    assert ingress.records == spooled


def test_created_is_acceptance(meet: Met) -> None:
    site, ingress = meet(accept(201))
    site.put(2)
    assert site.run().status == 0
    assert (site.waiting, len(ingress.uploads)) == ({}, 1)


@pytest.mark.parametrize("location", [b"http://[::1", b"/caf\xe9", b"http://[x]/", b"http://a:99999999/", b"//"])
def test_redirect_to_nowhere_is_one_like_others(meet: Met, location: bytes) -> None:
    site, _ = meet(faults.raw(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"))
    spooled = site.put(2)
    done = site.run()
    assert (done.status, site.waiting) == (69, spooled)
    assert "302 Found" in done.stderr


def test_redirect_with_a_body_without_end_is_not_read(meet: Met) -> None:
    blocks = 0

    def behave(connection: Connection) -> None:
        nonlocal blocks
        connection.read_body()
        connection.send(faults.head(302, ["Location: /login"], length=None))
        while not connection.closing:
            connection.send(bytes(1 << 20))
            blocks += 1

    site, _ = meet(behave)
    site.put(2)
    assert site.run().status == 69
    assert blocks < 20


def test_record_that_vanishes_before_it_is_read_harms_nothing(site: Site, ingress: FaultyIngress) -> None:
    """Thousands of records vanish while the run goes through them."""
    spooled = site.put(3000)
    doomed = sorted(spooled)[1::2]
    with site.start("run") as run:
        for member in doomed:
            site.path(member).unlink(missing_ok=True)
        assert run.wait() == 0
    assert set(spooled) - set(doomed) <= set(ingress.records)
    assert site.waiting == {}


def test_two_runs_at_once_send_nothing_twice(meet: Met) -> None:
    gate = threading.Event()
    site, ingress = meet(faults.gated(gate, accept()))
    site.put(5)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        second = site.run()
        assert (second.status, second.report["sent"]) == (0, 0)
        assert len(second.stderr.splitlines()) == 1
        gate.set()
        assert run.wait() == 0
    assert len(ingress.uploads) == 1


def test_two_configurations_of_one_spool_do_not_run_at_once(meet: Met, tmp_path: Path) -> None:
    gate = threading.Event()
    site, ingress = meet(faults.gated(gate, accept()))
    site.put(5)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        site.configure(state_dir=str(tmp_path / "other"))
        assert site.run().report["sent"] == 0
        gate.set()
        assert run.wait() == 0
    assert len(ingress.uploads) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_single_run_obeys_signals(meet: Met, number: signal.Signals) -> None:
    site, ingress = meet(faults.stall_response(store=False), accept())
    spooled = site.put(3)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        run.signal(number)
        assert run.wait(5) == 75
    assert site.waiting == spooled
    assert site.run().status == 0
    assert ingress.records == spooled
    assert ingress.uploads[0].archive == ingress.uploads[1].archive


def test_rotated_token_is_read_anew(meet: Met, tmp_path: Path) -> None:
    token = tmp_path / "token"
    site, ingress = meet(
        faults.only(lambda upload: upload.headers.get("authorization") == f"Bearer {token.read_text()}", 401),
        ingress_server_auth_token_file=str(token),
    )
    for text in ("first", "second"):
        token.write_text(text)
        spooled = site.put(1)
        assert site.run().status == 0
        assert spooled.items() <= ingress.records.items()


def test_token_appears_nowhere(site: Site, ingress: FaultyIngress) -> None:
    site.configure(ingress_server_auth_token="s3cr3t-t0k3n")
    site.put(2)
    shown = []
    for arguments in (
        ["run", "--json"],
        ["status"],
        ["history"],
        ["run", "--dry-run"],
        ["--verbose", "run"],
        ["test-connection"],
    ):
        done = site.collector(*arguments)
        shown += [done.stdout, done.stderr]
    assert ingress.uploads[0].headers["authorization"] == "Bearer s3cr3t-t0k3n"
    kept = [path.read_bytes() for path in site.state.rglob("*") if path.is_file()]
    assert "s3cr3t" not in "".join(shown)
    assert all(b"s3cr3t" not in content for content in kept)


def test_netrc_does_not_replace_the_token(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    site.configure(ingress_server_auth_token="xxyyzz")
    site.put(1)
    assert site.run(environ={"HOME": str(tmp_path), "NETRC": str(netrc)}).status == 0
    assert ingress.uploads[0].headers["authorization"] == "Bearer xxyyzz"


def test_files_that_are_not_json_never_leave_the_host(site: Site, ingress: FaultyIngress) -> None:
    (member,) = site.put(1, content=b"root:x:0:0:root:/root:/bin/bash\n")
    others = site.put(2)
    done = site.run()
    assert done.status == 65
    assert ingress.records == others
    assert site.quarantined == {member: b"root:x:0:0:root:/root:/bin/bash\n"}


def test_same_records_make_the_same_archive(tmp_path: Path, ingress: FaultyIngress) -> None:
    """No time stamp, no order of the directory, no owner in it."""
    for name in "ab":
        site = Site(tmp_path / name, ingress.url)
        spooled = list(site.put(50))
        for member in spooled if name == "a" else reversed(spooled):
            os.utime(site.path(member), (1_754_000_000, 1_754_000_000))
        assert site.run().status == 0
    first, second = ingress.stored
    assert first.archive == second.archive


def test_lock_of_a_killed_run_is_no_lock(meet: Met) -> None:
    site, ingress = meet(faults.stall_response(store=False), accept())
    site.put(1)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        run.signal(signal.SIGKILL)
        run.wait()
    assert site.run().status == 0
    assert site.waiting == {}


def test_lock_is_a_lock_on_the_file(site: Site) -> None:
    site.put(1)
    site.state.mkdir()
    with (site.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert site.run().report["sent"] == 0
    assert site.run().report["sent"] == 1

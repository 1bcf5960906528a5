"""`run --dry-run` through the real command."""

import signal
import time

from tests.collector.conftest import Met
from tests.fakes.ingress_faults import FaultyIngress, answer
from tests.fakes.privileges import bound
from tests.fakes.site import Site


def contents(site: Site) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}


def test_shows_the_batches_and_changes_nothing(site: Site, ingress: FaultyIngress) -> None:
    site.configure(max_archive_bytes=8192)
    spooled = list(site.put(5))
    before = contents(site)
    done = site.collector("run", "--dry-run")
    assert (done.status, ingress.uploads, contents(site)) == (0, [], before)
    assert not site.state.exists()
    assert f"would send 5 records in 2 batches to {ingress.url}" in done.stdout
    assert spooled[0] in done.stdout
    assert spooled[-1] in done.stdout


def test_batches_are_those_that_the_run_makes(site: Site, ingress: FaultyIngress) -> None:
    site.configure(max_archive_bytes=8192)
    site.put(7)
    planned = site.run("--dry-run").report["would_send"]
    site.run()
    made = [list(upload.members) for upload in ingress.stored]
    assert [(one["records"], one["first"], one["last"]) for one in planned] == [
        (len(one), one[0], one[-1]) for one in made
    ]


def test_pending_batch_goes_first_under_its_id(meet: Met) -> None:
    site, ingress = meet(answer(503))
    site.put(2)
    site.run()
    site.put(1)
    first, second = site.run("--dry-run").report["would_send"]
    assert (first["id"], first["records"], second["id"], second["records"]) == (ingress.uploads[0].batch_id, 2, None, 1)


def test_it_shows_even_when_the_collector_is_off(site: Site) -> None:
    site.configure(enabled=False)
    site.put(1)
    assert "would send 1 records" in site.collector("run", "--dry-run").stdout


def test_tells_apart_what_a_run_does_not_send(site: Site, ingress: FaultyIngress) -> None:
    sound = site.put(2)
    (broken,) = site.put(1, content=b"broken")
    (locked,) = site.put(1, "feedback")
    site.put(3, conversation="00000000-0000-0000-0000-00000000f0f0")
    (site.transcripts / ".forget_00000000-0000-0000-0000-00000000f0f0_00000001").touch()
    site.path(locked).chmod(0)
    before = contents(site)
    done = site.run("--dry-run", prefix=bound())
    assert (done.status, done.report["left"], done.report["would_forget"]) == (74, 2, 3)
    assert [one["member"] for one in done.report["would_quarantine"]] == [broken]
    assert locked in done.stderr
    assert contents(site) == before
    shown = site.collector("run", "--dry-run", prefix=bound()).stdout
    assert f"would quarantine {broken}: not JSON" in shown
    assert "would forget 3 records" in shown
    run = site.run(prefix=bound())
    assert (run.status, run.report["sent"], ingress.records) == (74, 2, sound)
    assert list(site.quarantined) == [broken]


def test_large_record_is_planned(site: Site, ingress: FaultyIngress) -> None:
    site.put(1, content=b'{"a": "' + b"x" * (9 << 20) + b'"}')
    (broken,) = site.put(1, content=b"x" * (9 << 20))
    done = site.run("--dry-run")
    assert [one["records"] for one in done.report["would_send"]] == [1]
    assert [one["member"] for one in done.report["would_quarantine"]] == [broken]


def test_records_of_an_accepted_batch_are_not_sent_again(meet: Met) -> None:
    site, _ = meet()
    site.put(500)
    with site.start("run") as run:
        run.wait_for("sent batch")
        run.signal(signal.SIGKILL)
        run.wait()
    assert site.run("--dry-run").report["would_send"] == []


def test_pause_that_the_ingress_asked_for_is_told(meet: Met) -> None:
    site, _ = meet(answer(503, "Retry-After: 900"))
    site.put(1)
    assert site.run().status == 75
    until = site.run("--dry-run").report["held_until"]
    assert 0 < until - time.time() <= 900
    assert "not before" in site.collector("run", "--dry-run").stdout


def test_nothing_to_send(site: Site) -> None:
    done = site.run("--dry-run")
    assert (done.status, done.report["would_send"], done.report["left"]) == (0, [], 0)

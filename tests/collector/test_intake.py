"""What is read and set aside on the way to an archive, through the real command."""

import os
from pathlib import Path

from tests.collector.conftest import Met
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.privileges import bound
from tests.fakes.site import Site, record

BAD = b"\x00 this is no record"


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


def test_half_written_record_nobody_writes_any_more_is_set_aside(site: Site, ingress: FaultyIngress) -> None:
    bad = site.put(1, content=record(1)[:10])
    assert site.run().status == 65
    assert (site.quarantined, ingress.uploads) == (bad, [])


def test_large_record_is_judged_by_its_edges(site: Site, ingress: FaultyIngress) -> None:
    bad = site.put(1, content=b"[" + b" " * (9 << 20) + b"]")
    good = site.put(1, content=b"{" + b" " * (9 << 20) + b"}")
    assert site.run().status == 65
    assert (site.quarantined, ingress.records) == (bad, good)


def test_quarantined_record_is_in_the_log_with_its_name_and_no_content(site: Site) -> None:
    (member,) = site.put(1, content=b"secret content")
    done = site.run()
    assert member in done.stderr
    assert "secret" not in done.stderr


def test_bad_records_between_good_ones_do_not_split_the_batch(site: Site, ingress: FaultyIngress) -> None:
    good = {}
    for _ in range(5):
        good.update(site.put(1))
        site.put(1, content=BAD)
    assert site.run().status == 65
    assert (ingress.records, len(ingress.uploads)) == (good, 1)


def test_writer_who_comes_while_we_look_for_writers_does_not_end_the_run(site: Site) -> None:
    """The kernel tells us of him with SIGIO, which ends a process that doesn't expect it."""
    strace.needed()
    came = False
    for _ in range(20):
        (member,) = site.put(1, content=BAD)
        slow = strace.injecting_at(site.folder / "trace", site.path(member), "fcntl", "delay_exit=500000")
        with site.start("run", prefix=slow, environ=strace.ENVIRON) as run:
            while run.popen.poll() is None and not came:
                came = was_refused(site.path(member))
            assert run.wait(30) in (0, 65)
        if came:
            return
    raise AssertionError("nobody looked for writers while one came")


def was_refused(path: Path) -> bool:
    """Whether a writer would have to wait, since somebody looks."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False

"""What is set aside and how it comes in and out, through the real command."""

import os
from pathlib import Path

from lightspeed_collector.quarantine import Quarantine, is_being_written
from lightspeed_collector.spool import Spool
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.site import Site

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


def test_second_record_of_a_name_gets_a_name_of_its_own(site: Site) -> None:
    (member,) = site.put(1, content=BAD)
    site.run()
    site.path(member).write_bytes(b"another one")
    done = site.run()
    assert done.status == 65
    assert sorted(site.quarantined.values()) == [BAD, b"another one"]
    assert site.waiting == {}
    (second,) = site.quarantined.keys() - {member}
    assert f"quarantined {member}: not JSON" in done.stderr
    assert f"held as {second}" in done.stderr
    assert f"held as {second}" in site.collector("history").stdout


def test_released_record_can_be_read_by_the_collector_whoever_releases_it(site: Site) -> None:
    (member,) = site.put(1, content=BAD)
    site.run()
    group = 12345 if os.geteuid() == 0 else os.getegid()
    os.chown(site.transcripts, -1, group)
    careful = ("sh", "-c", 'umask 077 && exec "$@"', "sh")
    assert site.collector("quarantine", "release", member, prefix=careful).status == 0
    found = site.path(member).stat()
    assert (found.st_mode & 0o777, found.st_gid) == (0o640, group)


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

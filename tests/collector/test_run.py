"""A run as a whole: signals at any moment, limits and report after whatever ended it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.collector.conftest import Met
from tests.fakes.daemon import ROOT
from tests.fakes.ingress_faults import FaultyIngress, accept, answer
from tests.fakes.privileges import bound
from tests.fakes.site import Site, record


def fill(site: Site, count: int) -> None:
    """Many records quickly: links to one."""
    first = site.transcripts / f"20250804T000000.000000Z_a_{0:08x}.json"
    first.write_bytes(record(0))
    for number in range(1, count):
        os.link(first, site.transcripts / f"20250804T{number:06d}.000000Z_a_{number:08x}.json")


@pytest.mark.parametrize("after", [0.2, 0.35, 0.5])
def test_signal_ends_a_long_run_within_five_seconds_and_loses_nothing(
    site: Site, ingress: FaultyIngress, after: float
) -> None:
    fill(site, 10_000)
    with site.start("run") as run:
        time.sleep(after)  # somewhere in the middle: where, is what the test leaves open
        began = time.monotonic()
        run.signal(signal.SIGTERM)
        assert run.wait(20) in (0, 75, -signal.SIGTERM)
    assert time.monotonic() - began < 5
    assert site.run().status == 0
    assert site.waiting == {}
    assert len(ingress.deliveries) == len(set(ingress.deliveries)) == 10_000


def test_report_and_metrics_are_kept_whatever_ended_the_run(meet: Met) -> None:
    site, _ = meet(answer(403))
    site.put(2)
    done = site.run()
    last = json.loads(site.collector("status", "--json").stdout)["last_run"]
    assert (done.status, last["status"]) == (69, 69)
    assert last["report"]["left"] == done.report["left"] == 2


def test_both_folders_unreadable_is_74_and_the_run_is_remembered(site: Site) -> None:
    site.put(1)
    for folder in (site.transcripts, site.feedback):
        folder.chmod(0)
    done = site.run(prefix=bound())
    for folder in (site.transcripts, site.feedback):
        folder.chmod(0o755)
    assert done.status == 74
    assert json.loads(site.collector("status", "--json").stdout)["last_run"]["status"] == 74


def test_one_line_a_batch_and_one_a_run(site: Site) -> None:
    site.put(3)
    lines = site.run().stderr.splitlines()
    assert len(lines) == 2
    assert "sent batch" in lines[0]
    assert "sent 3 records in 1 batches" in lines[1]


def test_worst_status_wins(meet: Met) -> None:
    site, _ = meet(answer(503))
    site.put(1, content=b"no record")
    site.put(1)
    assert site.run().status == 75


def test_log_that_can_not_be_written_is_no_error(site: Site) -> None:
    site.put(1)
    with open("/dev/full", "w") as full:
        done = subprocess.run(site.command("run"), stderr=full, stdout=subprocess.DEVNULL, cwd=site.folder)
    assert done.returncode == 0
    assert site.waiting == {}


# A small process between: the peak of a child counts from what its parent had.
MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(done.returncode)
"""


def test_memory_of_a_run_does_not_grow_with_the_spool(meet: Met) -> None:
    peaks = []
    for count in (1000, 40_000):
        site, _ = meet(accept())
        fill(site, count)
        command = [sys.executable, "-c", MEASURE, *site.command("run")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=site.folder)
        assert site.waiting == {}
        peaks.append(int(done.stdout))
    assert peaks[1] < 64
    assert peaks[1] - peaks[0] < 25


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """An installation whose `requests` can't be loaded, as a fault that nobody has thought of."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "requests.py").write_text('raise LookupError("no such codec")')
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_fault_nobody_has_thought_of_ends_in_limits_and_a_report(site: Site, broken: dict[str, str]) -> None:
    site.configure(max_spool_bytes=0, metrics_textfile=str(site.folder / "collector.prom"))
    site.put(2)
    assert site.run(environ=broken).status == 74
    later = site.put(2)
    done = site.run(environ=broken)
    assert "internal error: LookupError: no such codec" in done.stderr
    assert (done.status, done.report["dropped"], done.report["left"]) == (74, len(later), 2)
    assert json.loads(site.collector("status", "--json").stdout)["last_run"]["status"] == 74
    assert (site.folder / "collector.prom").exists()


def test_loop_outlives_a_fault_nobody_has_thought_of(site: Site, broken: dict[str, str]) -> None:
    site.put(1)
    with site.start("run", "--interval", "1", environ=broken) as loop:
        loop.wait_for("internal error: LookupError", times=2)
        loop.signal(signal.SIGTERM)
        assert loop.wait(5) == 0

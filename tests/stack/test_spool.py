"""The writer's side of the spool: what `put` promises, on a real disk and when that disk gives out."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain, repeat
from pathlib import Path

import pytest

from lightspeed_stack.spool import Full, NotWritable, Spool, SpoolError, Usage
from tests.fakes.strace import calls

CONVERSATION = "ad14e9de-72d6-42a3-98bf-017e9c0a6b89"
NOW = datetime(2025, 8, 4, 16, 59, 52, 4143, tzinfo=UTC)
RECORD = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z_[A-Za-z0-9][A-Za-z0-9-]{0,63}_[0-9a-f]{8}\.json")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 0)


def visible(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if not name.startswith("."))


# what is stored


def test_record_is_stored_under_a_name_that_tells_when_and_which_conversation(spool: Spool) -> None:
    name = spool.put(CONVERSATION, b'{"a": 1}', NOW)
    assert re.fullmatch(rf"20250804T165952\.004143Z_{CONVERSATION}_[0-9a-f]{{8}}\.json", name)
    assert os.listdir(spool.directory) == [name]
    assert (spool.directory / name).read_bytes() == b'{"a": 1}'


def test_time_is_told_in_utc_with_all_six_digits(spool: Spool) -> None:
    local = datetime(2025, 8, 4, 1, 2, 3, 0, tzinfo=timezone(timedelta(hours=5)))
    assert spool.put("c", b"{}", local).startswith("20250803T200203.000000Z_c_")


def test_names_sort_by_age(spool: Spool) -> None:
    names = [spool.put("c", b"{}", NOW + timedelta(microseconds=step)) for step in (0, 1, 10**6, 86_400 * 10**6)]
    assert sorted(names) == names


def test_time_without_a_zone_is_refused(spool: Spool) -> None:
    with pytest.raises(ValueError, match="time zone"):
        spool.put("c", b"{}", NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    "unsafe", ["", ".", "..", "../x", "a/b", "a_b", ".a", "-a", "a" * 65, "a\0b", "é", "a\n", "a b"]
)
def test_unsafe_conversation_id_is_refused_and_leaves_nothing(spool: Spool, unsafe: str) -> None:
    with pytest.raises(ValueError, match="record's name"):
        spool.put(unsafe, b"{}", NOW)
    with pytest.raises(ValueError, match="record's name"):
        spool.forget(unsafe)
    assert not spool.directory.exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_record_has_mode_0640_whatever_the_umask(spool: Spool, umask: int) -> None:
    before = os.umask(umask)
    try:
        name = spool.put("c", b"{}", NOW)
        spool.forget("c")
    finally:
        os.umask(before)
    assert (spool.directory / name).stat().st_mode & 0o7777 == 0o640
    assert {path.stat().st_mode & 0o7777 for path in spool.directory.iterdir()} == {0o640}


def test_large_record_is_whole(spool: Spool) -> None:
    data = os.urandom(5 << 20)
    assert (spool.directory / spool.put("c", data, NOW)).read_bytes() == data


def test_taken_names_are_left_alone_and_another_is_chosen(tmp_path: Path) -> None:
    words = chain(["00000001", "00000001", "00000002", "00000003"])
    spool = Spool(tmp_path, 0, lambda: next(words))
    first = spool.put("c", b"first", NOW)
    draft = tmp_path / ("." + first.replace("00000001", "00000002"))
    draft.write_bytes(b"somebody's draft")
    second = spool.put("c", b"second", NOW)
    assert second.endswith("_00000003.json")
    assert (tmp_path / first).read_bytes() == b"first"
    assert draft.read_bytes() == b"somebody's draft"


def test_planted_symlink_is_not_written_through(tmp_path: Path) -> None:
    words = repeat("00000001")
    spool = Spool(tmp_path / "spool", 0, lambda: next(words))
    name = spool.put("c", b"{}", NOW)
    victim = tmp_path / "victim"
    os.rename(spool.directory / name, victim)
    (spool.directory / f".{name}").symlink_to(victim)
    with pytest.raises(NotWritable, match="names were tried"):
        spool.put("c", b"overwritten", NOW)
    assert victim.read_bytes() == b"{}"


# the directory


def test_directory_and_its_parents_are_made(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a" / "b" / "c", 0)
    name = spool.put("c", b"{}", NOW)
    assert visible(tmp_path / "a" / "b" / "c") == [name]


def test_directory_moved_away_is_made_anew(spool: Spool, tmp_path: Path) -> None:
    old = spool.put("c", b"{}", NOW)
    spool.directory.rename(tmp_path / "moved")
    new = spool.put("c", b"{}", NOW)
    assert visible(spool.directory) == [new]
    assert visible(tmp_path / "moved") == [old]


def test_directory_replaced_or_removed_is_noticed(spool: Spool, tmp_path: Path) -> None:
    spool.put("c", b"{}", NOW)
    (tmp_path / "other").mkdir()
    spool.directory.rename(tmp_path / "moved")
    (tmp_path / "other").rename(spool.directory)
    name = spool.put("c", b"{}", NOW)
    assert visible(spool.directory) == [name]
    shutil.rmtree(spool.directory)
    name = spool.put("c", b"{}", NOW)
    assert visible(spool.directory) == [name]


def test_symlink_to_a_directory_is_followed_when_it_is_turned(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "spool").symlink_to("a")
    spool = Spool(tmp_path / "spool", 0)
    first = spool.put("c", b"{}", NOW)
    (tmp_path / "new").symlink_to("b")
    (tmp_path / "new").rename(tmp_path / "spool")
    second = spool.put("c", b"{}", NOW)
    assert (os.listdir(tmp_path / "a"), os.listdir(tmp_path / "b")) == ([first], [second])


def test_descriptors_are_not_leaked(spool: Spool, tmp_path: Path) -> None:
    spool.put("c", b"{}", NOW)
    before = len(os.listdir("/proc/self/fd"))
    for step in range(20):
        spool.directory.rename(tmp_path / f"moved{step}")
        spool.put("c", b"{}", NOW)
        spool.forget("c")
        spool.usage()
        spool.remove_old_drafts()
    assert len(os.listdir("/proc/self/fd")) == before


# when it can't be stored


def test_file_in_the_directorys_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"")
    for path in (tmp_path / "spool", tmp_path / "spool" / "below"):
        with pytest.raises(NotWritable, match=re.escape(f"{path}: ")):
            Spool(path, 0).put("c", b"{}", NOW)


def test_symlink_loop_and_dangling_symlink_are_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("loop", "dangling"):
        with pytest.raises(NotWritable, match=re.escape(str(tmp_path / name))):
            Spool(tmp_path / name, 0).put("c", b"{}", NOW)


def test_below_the_reserve_nothing_is_stored(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 1 << 62)
    with pytest.raises(Full, match="reserve") as raised:
        spool.put("c", b"{}", NOW)
    with pytest.raises(Full, match="reserve"):
        spool.check()
    assert raised.value.cause == "full"
    assert os.listdir(spool.directory) == []


def test_request_to_forget_is_exempt_from_the_reserve(spool: Spool) -> None:
    spool.check()
    Spool(spool.directory, 1 << 62).forget("c")
    assert len(os.listdir(spool.directory)) == 1


def test_check_leaves_nothing_behind(spool: Spool) -> None:
    spool.check()
    assert os.listdir(spool.directory) == []


@pytest.mark.parametrize("options", ["size=64k", "nr_inodes=20"])
def test_full_disk_is_told_and_every_record_before_is_whole(small_disk: Callable[[str], Path], options: str) -> None:
    spool = Spool(small_disk(options), 0)
    data = b"x" * 9000
    stored = []
    with pytest.raises(Full, match=r"No space left on device|reserve") as raised:
        stored.extend(spool.put("c", data, NOW) for _ in range(100))
    assert str(spool.directory) in str(raised.value)
    assert sorted(os.listdir(spool.directory)) == sorted(stored)
    assert {(spool.directory / name).read_bytes() for name in stored} == {data}
    (spool.directory / stored[0]).unlink()
    assert spool.put("c", data, NOW) in os.listdir(spool.directory)


def test_read_only_disk_is_told(small_disk: Callable[[str], Path]) -> None:
    spool = Spool(small_disk("ro"), 0)
    for attempt in (lambda: spool.put("c", b"{}", NOW), spool.check, lambda: spool.forget("c")):
        with pytest.raises(NotWritable, match=r"disk: Read-only file system") as raised:
            attempt()
    assert raised.value.cause == "not-writable"


def test_forbidden_directory_is_told(spool: Spool) -> None:
    spool.directory.mkdir(mode=0o500)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        with pytest.raises(NotWritable, match=re.escape(f"{spool.directory}: Permission denied")):
            spool.put("c", b"{}", NOW)
    finally:
        os.seteuid(user)


# order, crashes, company


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_record_is_durable_before_it_is_visible_and_its_name_before_it_is_acknowledged(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    strace = f"strace -f -y -s 200 -o {trace} -e trace=openat,write,fsync,rename,renameat,renameat2"
    command = [*strace.split(), sys.executable, "-c", WRITER, str(tmp_path / "spool"), "1"]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    lines = [f"{call.name}({call.arguments})" for call in calls(trace)]
    lines = [line for line in lines if "/spool" in line or line.startswith("write(1<")][-6:]
    steps = " ".join(line.partition("(")[0] for line in lines)
    assert re.fullmatch(r"openat write fsync rename(at2?)? fsync write", steps)
    assert "O_CREAT|O_EXCL|O_NOFOLLOW" in lines[0]
    assert f".{name}>" in lines[2]
    assert f'".{name}"' in lines[3]
    assert lines[4].startswith("fsync(")
    assert "/spool>)" in lines[4]
    assert name in lines[5]


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize("fault", ["fsync:error=EIO:when=1", "fsync:error=EIO:when=2", "renameat:error=EIO:when=1"])
def test_fault_of_the_disk_at_any_step_is_told_and_leaves_nothing(spool: Spool, fault: str) -> None:
    spool.check()
    script = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from lightspeed_stack.spool import Spool, SpoolError\n"
        "try: Spool(Path(sys.argv[1]), 0).put('c', b'{}', datetime.now(UTC))\n"
        "except SpoolError as error: print(error.cause, error)"
    )
    calls = "renameat2,rename,renameat" if fault.startswith("rename") else "fsync"
    strace = ["strace", "-o", "/dev/null", "-e", f"inject={calls}:{fault.partition(':')[2]}"]
    command = [*strace, sys.executable, "-c", script, str(spool.directory)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == f"error {spool.directory}: Input/output error\n"
    assert os.listdir(spool.directory) == []


WRITER = """
import sys, threading
from datetime import UTC, datetime
from pathlib import Path
from lightspeed_stack.spool import Spool
spool = Spool(Path(sys.argv[1]), 0)
count = int(sys.argv[2])
def write(number):
    while number < count or not count:
        data = b"%d" % number * 2000
        sys.stdout.write(spool.put("c", data, datetime.now(UTC)) + "\\n")
        sys.stdout.flush()
        number += 4
threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_killed_under_load_every_acknowledged_record_is_whole_and_nothing_else_is_visible(spool: Spool) -> None:
    acknowledged: list[str] = []
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(spool.directory), "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            acknowledged += [writer.stdout.readline() for _ in range(200)]
            writer.send_signal(signal.SIGKILL)
            acknowledged += writer.stdout.readlines()
    names = {line.strip() for line in acknowledged if line.endswith(".json\n")}
    assert len(names) >= 600
    assert names <= set(visible(spool.directory))
    for name in visible(spool.directory):
        assert RECORD.fullmatch(name)
        data = (spool.directory / name).read_bytes()
        number, rest = divmod(len(data), 2000)
        assert rest == 0
        assert data == data[:number] * 2000


def test_threads_and_processes_write_side_by_side(spool: Spool) -> None:
    command = [sys.executable, "-c", WRITER, str(spool.directory), "200"]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    mine: list[str] = []

    def write() -> None:
        mine.extend(spool.put("c", b"{}", NOW) for _ in range(50))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    theirs = [line.strip() for other in others for line in other.communicate()[0].splitlines()]
    assert len({*mine, *theirs}) == 600
    assert {*mine, *theirs} == set(os.listdir(spool.directory))


def test_spool_outlives_a_fork(spool: Spool) -> None:
    script = (
        "import os, sys\n"
        "from datetime import UTC, datetime\nfrom pathlib import Path\nfrom lightspeed_stack.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 0)\n"
        "spool.put('parent', b'{}', datetime.now(UTC)); spool.usage()\n"
        "child = os.fork()\n"
        "spool.put('child' if child == 0 else 'parent', b'{}', datetime.now(UTC)); spool.usage()\n"
        "child and sys.exit(os.waitpid(child, 0)[1])\n"
    )
    subprocess.run([sys.executable, "-c", script, str(spool.directory)], check=True)
    assert sorted(name.split("_")[1] for name in os.listdir(spool.directory)) == ["child", "parent", "parent"]


# drafts, usage, forgetting


def test_only_drafts_older_than_an_hour_are_removed(spool: Spool) -> None:
    name = spool.put("c", b"{}", NOW)
    old, young = f".{name}", f".{name.replace('2025', '2026')}"
    link, folder = f".{name.replace('2025', '2024')}", f".{name.replace('2025', '2023')}"
    for draft in (old, young, ".bashrc", ".forget_c_00000001", "x.json"):
        (spool.directory / draft).write_bytes(b"")
    (spool.directory / link).symlink_to("x.json")
    (spool.directory / folder).mkdir()
    before = time.time() - 3700
    for path in spool.directory.iterdir():
        if path.name != young:
            os.utime(path, (before, before), follow_symlinks=False)
    assert spool.remove_old_drafts() == 1
    left = {name, young, link, folder, ".bashrc", ".forget_c_00000001", "x.json"}
    assert set(os.listdir(spool.directory)) == left


def test_missing_directory_has_no_drafts_and_no_records(spool: Spool) -> None:
    assert spool.remove_old_drafts() == 0
    assert spool.usage() == Usage(0, 0, None)
    spool.forget("c")
    assert not spool.directory.exists()


def test_usage_counts_records_and_nothing_else(spool: Spool) -> None:
    first = spool.put("c", b"12345", NOW)
    spool.put("c", b"123", NOW + timedelta(days=1))
    (spool.directory / f".{first}").write_bytes(b"draft")
    (spool.directory / "20200101.json").write_bytes(b"garbage")
    (spool.directory / first.replace("2025", "2024")).mkdir()
    (spool.directory / first.replace("2025", "2023")).symlink_to(first)
    spool.forget("c")
    assert spool.usage() == Usage(2, 8, NOW)


def test_usage_is_not_counted_anew_each_time(spool: Spool) -> None:
    assert spool.usage().records == 0
    spool.put("c", b"{}", NOW)
    assert spool.usage().records == 0
    assert Spool(spool.directory, 0).usage().records == 1


def test_usage_survives_a_name_with_an_impossible_date(spool: Spool) -> None:
    name = spool.put("c", b"{}", NOW)
    (spool.directory / name.replace("20250804", "00009999")).write_bytes(b"")
    assert spool.usage() == Usage(2, 2, None)


def test_usage_of_something_that_is_no_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"")
    with pytest.raises(SpoolError, match="Not a directory"):
        Spool(tmp_path / "spool", 0).usage()


def test_each_request_to_forget_is_a_file_of_its_own(spool: Spool) -> None:
    name = spool.put(CONVERSATION, b"{}", NOW)
    spool.forget(CONVERSATION)
    spool.forget(CONVERSATION)
    requests = [entry for entry in os.listdir(spool.directory) if entry != name]
    assert len(requests) == 2
    assert all(re.fullmatch(rf"\.forget_{CONVERSATION}_[0-9a-f]{{8}}", request) for request in requests)
    assert (spool.directory / name).exists()

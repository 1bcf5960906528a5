"""The data team's command, through its real interface."""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes import starter, strace
from tests.fakes.archives import archive, member, special
from tests.fakes.daemon import ROOT
from tests.fakes.reference_ingress import COMMAND, Ingress
from tests.fakes.site import Site


def unpack(store: object, *options: object) -> subprocess.CompletedProcess[str]:
    return starter.started().run(["unpack", str(store), *map(str, options)], os.environ, ROOT, 60)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.json"))
        if path.is_file() and not path.is_symlink()
    }


def store_of(folder: Path, **payloads: Mapping[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, members in payloads.items():
        (folder / f"{name}.tar.gz").write_bytes(archive(members))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three payloads; the second holds a record of the first again, the third another one under the same name."""
    first, second, third = member(), member("feedback"), member()
    return store_of(
        tmp_path / "store",
        a={first: b'{"n": 1}', second: b'{"n": 2}'},
        b={first: b'{"n": 1}', third: b'{"n": 3}'},
        c={first: b'{"n": 4}'},
    )


class TestLines:
    def test_each_record_comes_once_in_a_fixed_order(self, store: Path) -> None:
        done = unpack(store)
        assert done.returncode == 0
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(line["batch_id"], line["kind"], line["record"]["n"]) for line in lines] == [
            ("a", "transcripts", 1),
            ("a", "feedback", 2),
            ("b", "transcripts", 3),
            ("c", "transcripts", 4),
        ]
        assert [list(line) for line in lines] == [["kind", "name", "batch_id", "record"]] * 4
        assert lines[0]["name"] == lines[3]["name"]
        assert unpack(store).stdout == done.stdout
        assert "4 records new from 3 payloads, 1 repeats, 0 faults" in done.stderr

    def test_bytes_beside_the_first_of_a_batch_bear_its_id(self, tmp_path: Path) -> None:
        store = store_of(tmp_path / "store", **{"a.0123456789abcdef": {member(): b"{}"}})
        assert json.loads(unpack(store).stdout)["batch_id"] == "a"

    @pytest.mark.parametrize("content", [b"", b"{", b"NaN", b"[" * 100_000, b"\xff", b'{"a": Infinity}'])
    def test_what_is_no_json_is_reported_and_left_out(self, tmp_path: Path, content: bytes) -> None:
        store = store_of(tmp_path / "store", a={member(): content, member(): b'"good"'})
        done = unpack(store)
        assert done.returncode == 65
        assert [json.loads(line)["record"] for line in done.stdout.splitlines()] == ["good"]
        assert "is not JSON" in done.stderr

    def test_a_reader_that_stops_is_no_error(self, tmp_path: Path) -> None:
        store = store_of(tmp_path / "store", a={member(): b'"%s"' % (b"x" * 10_000) for _ in range(100)})
        command = f"{shlex.join(COMMAND)} unpack {store} | head -c 10; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, cwd=ROOT)
        assert done.stdout.endswith("0\n")
        assert done.stderr == ""


class TestFolder:
    def test_records_are_written_as_they_were_collected(self, store: Path, tmp_path: Path) -> None:
        assert unpack(store, "--to", tmp_path / "out").returncode == 0
        out = files(tmp_path / "out")
        assert sorted(out.values()) == [b'{"n": 1}', b'{"n": 2}', b'{"n": 3}', b'{"n": 4}']
        kinds = [name.partition("/")[0] for name in out]
        assert kinds == ["feedback", "transcripts", "transcripts", "transcripts"]

    def test_another_run_adds_only_what_is_new(self, store: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        unpack(store, "--to", out)
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
        again = unpack(store, "--to", out)
        assert "0 records new from 0 payloads" in again.stderr
        store_of(store, d={member(): b'{"n": 5}'})
        assert "1 records new from 1 payloads" in unpack(store, "--to", out).stderr
        assert {path: path.stat().st_mtime_ns for path in before} == before

    def test_what_was_moved_away_does_not_come_back_in_another_batch(self, tmp_path: Path) -> None:
        name, out = member(), tmp_path / "out"
        store = store_of(tmp_path / "store", a={name: b"{}"})
        unpack(store, "--to", out)
        (out / name).unlink()
        store_of(store, b={name: b"{}"})
        assert unpack(store, "--to", out).returncode == 0
        assert files(out) == {}

    def test_a_run_that_was_killed_is_completed_by_the_next(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        first, second = ({member(): b"%d" % n for n in range(count)} for count in (300, 3000))
        store = store_of(tmp_path / "store", a=first, b=second)
        with subprocess.Popen([*COMMAND, "unpack", str(store), "--to", str(out)], cwd=ROOT) as victim:
            while victim.poll() is None and not (out / list(second)[30]).exists():
                time.sleep(0.005)
            victim.kill()
        assert victim.returncode == -signal.SIGKILL
        assert unpack(store, "--to", out).returncode == 0
        assert files(out) == {**first, **second}

    def test_only_one_run_at_a_time(self, store: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        unpack(store, "--to", out)
        other = sqlite3.connect(out / ".unpacked", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        done = unpack(store, "--to", out)
        other.close()
        assert done.returncode == 75
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
    def test_a_disk_that_fills_up_at_the_end_costs_no_record(self, store: Path, tmp_path: Path, call: str) -> None:
        strace.needed()
        out, log = tmp_path / "out", tmp_path / "trace"
        traced = ["strace", "-f", "-o", str(log), "-P", str(out / ".unpacked"), "-P", str(out / ".unpacked-journal")]
        command = [*COMMAND, "unpack", str(store), "--to", str(out)]
        subprocess.run([*traced, "-e", f"trace={call}", *command], check=True, capture_output=True, cwd=ROOT)
        last = log.read_text().count(f"{call}(")
        for number in (last // 2, last):
            shutil.rmtree(out)
            failing = [*traced, "-e", f"inject={call}:error=ENOSPC:when={number}", *command]
            done = subprocess.run(failing, capture_output=True, text=True, cwd=ROOT)
            assert "INJECTED" in log.read_text()
            assert (done.returncode, len(done.stderr.splitlines())) == (73, 1)
            assert unpack(store, "--to", out).returncode == 0
            assert len(files(out)) == 4

    def test_nothing_is_written_over_when_nobody_can_tell_what_is_there(self, tmp_path: Path) -> None:
        strace.needed()
        name, out = member(), tmp_path / "out"
        store = store_of(tmp_path / "store", a={name: b'"first"'}, b={name: b'"second"'})
        failing = strace.injecting_at(tmp_path / "trace", out / name, "newfstatat", "error=EIO:when=2")
        done = subprocess.run(
            [*failing, *COMMAND, "unpack", str(store), "--to", str(out)], capture_output=True, cwd=ROOT
        )
        assert (done.returncode, strace.hit(tmp_path / "trace")) == (73, True)
        assert files(out) == {name: b'"first"'}
        assert unpack(store, "--to", out).returncode == 0
        assert sorted(files(out).values()) == [b'"first"', b'"second"']

    def test_nothing_is_written_through_what_stands_in_the_way(self, tmp_path: Path) -> None:
        name, out, elsewhere = member(), tmp_path / "out", tmp_path / "elsewhere"
        store = store_of(tmp_path / "store", a={name: b'"new"'})
        (out / "transcripts").mkdir(parents=True)
        elsewhere.write_bytes(b"precious")
        (out / name).symlink_to(elsewhere)
        (out / ".draft").symlink_to(elsewhere)
        assert unpack(store, "--to", out).returncode == 73
        assert unpack(store, "--to", out).returncode == 0
        assert elsewhere.read_bytes() == b"precious"
        assert sorted(files(out).values()) == [b'"new"']


class TestUnsound:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "can't be read"),
            (b"nonsense" * 99, "can't be read"),
            (archive({member(): b"{}"})[:-20], "can't be read"),
            (archive({"../escape.json": b"{}"}), "not the name of a record"),
            (archive({"/etc/escape.json": b"{}"}), "not the name of a record"),
            (archive({"transcripts/../../escape.json": b"{}"}), "not the name of a record"),
            (archive({"other/" + member().partition("/")[2]: b"{}"}), "not the name of a record"),
            (special(tarfile.SYMTYPE, target="/etc/passwd"), "not a regular file"),
            (special(tarfile.LNKTYPE, target="/etc/passwd"), "not a regular file"),
            (special(tarfile.DIRTYPE), "not a regular file"),
            (special(tarfile.FIFOTYPE), "not a regular file"),
            (special(tarfile.CHRTYPE), "not a regular file"),
        ],
    )
    def test_it_is_reported_and_the_others_are_unpacked(self, tmp_path: Path, body: bytes, reason: str) -> None:
        store = store_of(tmp_path / "store", z={member(): b'"good"'})
        (store / "a.tar.gz").write_bytes(body)
        done = unpack(store, "--to", tmp_path / "out")
        assert done.returncode == 65
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "store"]
        assert "good" in next(iter(files(tmp_path / "out").values())).decode()
        assert unpack(store, "--to", tmp_path / "out").returncode == 65

    def test_a_payload_full_of_faults_takes_a_few_lines(self, tmp_path: Path) -> None:
        done = unpack(store_of(tmp_path / "store", a={member(): b"{" for _ in range(100)}))
        assert done.returncode == 65
        assert len(done.stderr.splitlines()) < 10
        assert "95 more faults" in done.stderr

    @pytest.mark.parametrize("call", ["openat", "read"])
    def test_a_payload_that_can_not_be_read_stops_no_other(self, store: Path, tmp_path: Path, call: str) -> None:
        strace.needed()
        out, broken = tmp_path / "out", store / "a.tar.gz"
        failing = strace.injecting_at(tmp_path / "trace", broken, call, "error=EIO")
        done = subprocess.run(
            [*failing, *COMMAND, "unpack", str(store), "--to", str(out)], capture_output=True, text=True, cwd=ROOT
        )
        assert (done.returncode, sorted(files(out).values())) == (74, [b'{"n": 1}', b'{"n": 3}', b'{"n": 4}'])
        assert f"{broken}: Input/output error" in done.stderr
        assert unpack(store, "--to", out).returncode == 0
        assert len(files(out)) == 4

    def test_what_is_no_payload_is_passed_over(self, store: Path) -> None:
        (store / "folder.tar.gz").mkdir()
        (store / "link.tar.gz").symlink_to("/etc/passwd")
        os.mkfifo(store / "fifo.tar.gz")
        (store / "notifications.jsonl").write_text("{}\n")
        (store / ".hidden.tar.gz").write_text("")
        assert unpack(store).returncode == 0


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    done = unpack(tmp_path / "nothing")
    assert done.returncode == 74
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = unpack(store, "--to", tmp_path / "file")
    assert done.returncode == 73
    assert len(done.stderr.splitlines()) == 1


def test_a_store_must_be_named() -> None:
    assert subprocess.run([*COMMAND, "unpack"], capture_output=True, timeout=60, cwd=ROOT).returncode == 64


def test_folder_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "folder" / "transcripts").mkdir(parents=True)
    done = unpack(tmp_path / "folder", "--to", tmp_path / "out")
    assert (done.returncode, done.stdout) == (74, "")
    assert f"{tmp_path}/folder: is no store of an ingress" in done.stderr
    assert not (tmp_path / "out").exists()


def test_store_that_has_taken_nothing_yet(tmp_path: Path) -> None:
    with Ingress(tmp_path / "store"):
        assert unpack(tmp_path / "store").returncode == 0
    (tmp_path / "empty").mkdir()
    assert unpack(tmp_path / "empty").returncode == 0


def test_folder_that_can_not_be_made_is_named_in_plain_words(store: Path) -> None:
    done = unpack(store, "--to", "/proc/x")
    assert done.returncode == 73
    assert "/proc/x: can't be made: No such file or directory" in done.stderr
    assert "Errno" not in done.stderr


def test_record_larger_than_memory_may_be_is_given_out(tmp_path: Path) -> None:
    """What the ingress takes in pieces, `unpack` gives out in pieces."""
    out, content = tmp_path / "out", b'{"a":"' + b" " * (129 << 20) + b'"}'
    with Ingress(tmp_path / "store") as ingress:
        site = Site(tmp_path / "site", ingress.url)
        (member_name,) = site.put(1, content=content)
        small = site.put(1)
        assert (site.run().status, site.waiting) == (0, {})
    frugal = ["prlimit", f"--data={96 << 20}", *COMMAND, "unpack", str(tmp_path / "store"), "--to", str(out)]
    done = subprocess.run(frugal, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (done.returncode, "2 records new" in done.stderr) == (0, True)
    assert files(out) == {member_name: content, **small}
    lines = unpack(tmp_path / "store")
    assert (lines.returncode, len(lines.stdout.splitlines())) == (65, 1)
    assert "too large for a line" in lines.stderr

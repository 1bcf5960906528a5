"""A booted systemd over a throw-away copy of this machine's files (systemd-nspawn on an overlay on tmpfs).

Needs root. All of it lives in mount and PID namespaces of one child process that dies with the tests, so nothing
stays behind, whatever happens.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BASE = Path("/run/lightspeed-machine")
BOOT_SECONDS = 60
COMMAND_SECONDS = 120
_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Machine:
    """`with Machine() as machine: machine.run("systemctl is-system-running")`."""

    def __enter__(self) -> Self:
        BASE.mkdir(exist_ok=True)
        self._cgroup = f"lightspeed-{os.getpid()}-{time.monotonic_ns()}"
        self._popen = subprocess.Popen(
            [
                "unshare",
                *("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("sh", str(Path(__file__).with_name("boot.sh")), self._cgroup),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: _libc.prctl(_PDEATHSIG, signal.SIGKILL),
        )
        try:
            self._leader = self._wait_for_leader()
            self._wait_for_boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def root(self) -> Path:
        """The machine's files as seen from outside."""
        return Path(f"/proc/{self._leader}/root")

    def command(self, script: str) -> list[str]:
        """The command that runs a shell script inside."""
        inside = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        environ = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "SYSTEMD_PAGER=", "TERM=dumb"]
        return [*inside, *environ, "sh", "-c", f"cd /; {script}"]

    def start(self, script: str, **options: Any) -> subprocess.Popen[str]:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
        return subprocess.Popen(self.command(script), text=True, **options)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End what `start` started, with all that it started."""
        for pid in (*_descendants(process.pid), process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=10)

    def run(self, script: str, *, status: int | None = 0, seconds: float = COMMAND_SECONDS) -> str:
        """The output, both streams, of a shell script inside; fails when its exit status is not `status`."""
        done = subprocess.run(
            self.command(script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
        output = done.stdout.decode("utf-8", "replace")
        assert status is None or done.returncode == status, f"{script}\nexit status {done.returncode}\n{output}"
        return output

    def ok(self, script: str) -> bool:
        done = subprocess.run(self.command(script), stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode == 0

    def write(self, path: str, text: str, mode: int = 0o644, owner: str | None = None) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        if owner:
            self.run(f"chown {owner} {path}")

    def copy(self, source: Path, path: str) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """systemctl show as a mapping."""
        names = ",".join(properties)
        lines = self.run(f"systemctl show {unit} --property={names}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, unit: str, *matches: str) -> list[dict[str, Any]]:
        """The journal's records of a unit."""
        self.run("journalctl --sync")
        text = self.run(f"journalctl -o json --all --no-pager -u {unit} {' '.join(matches)}")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def pid(self, inner: int) -> int:
        """The number that a process of the machine has outside."""
        for outer, numbers in _numbers():
            if len(numbers) > 1 and numbers[-1] == inner and _same_pids(outer, self._leader):
                return outer
        raise LookupError(inner)

    def wait_until(self, check: Callable[[], Any], seconds: float = 30, what: str = "") -> Any:
        """The first true result of `check`."""
        end = time.monotonic() + seconds
        while not (result := check()):
            assert time.monotonic() < end, f"not within {seconds} s: {what or check}"
            time.sleep(0.05)
        return result

    def _wait_for_leader(self) -> int:
        end = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < end and self._popen.poll() is None:
            for first in _children(self._popen.pid):
                for child in _children(first):
                    if _name(child) == "systemd":
                        return child
            time.sleep(0.05)
        raise AssertionError(
            f"no machine: {self._popen.communicate(timeout=5)[0] if self._popen.poll() else 'timeout'}"
        )

    def _wait_for_boot(self) -> None:
        end = time.monotonic() + BOOT_SECONDS
        state = ""
        while time.monotonic() < end:
            done = subprocess.run(
                self.command("systemctl is-system-running"), capture_output=True, text=True, check=False
            )
            state = done.stdout.strip()
            if state in ("running", "degraded"):
                return
            time.sleep(0.1)
        raise AssertionError(f"the machine does not come up: {state}")

    def _end(self) -> None:
        for first in _children(self._popen.pid):  # the init of the PID namespace: all in there ends with it
            os.kill(first, signal.SIGKILL)
        self._popen.communicate(timeout=30)
        for hierarchy in ("systemd", "unified"):
            _remove_cgroup(Path("/sys/fs/cgroup") / hierarchy / self._cgroup)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _descendants(pid: int) -> list[int]:
    return [each for child in _children(pid) for each in (child, *_descendants(child))]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _numbers() -> Iterator[tuple[int, list[int]]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            match = re.search(r"^NSpid:\s+(.*)$", (folder / "status").read_text(), re.MULTILINE)
        except OSError:
            continue
        if match:
            yield int(folder.name), [int(number) for number in match.group(1).split()]


def _same_pids(one: int, other: int) -> bool:
    try:
        return os.readlink(f"/proc/{one}/ns/pid") == os.readlink(f"/proc/{other}/ns/pid")
    except OSError:
        return False


def _remove_cgroup(folder: Path) -> None:
    """Remove a control group and those below it, once the last of the killed processes has left them."""
    end = time.monotonic() + 10
    while folder.exists() and time.monotonic() < end:
        for path, _, _ in os.walk(folder, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                time.sleep(0.05)

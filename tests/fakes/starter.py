"""Processes that have a program of ours loaded and fork for each run of it: loading it anew takes longer than most runs.

Each run is `python -m PROGRAM` in a process of its own, with its own arguments, environment, folder and streams, that
ends as any other does.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = {
    "lightspeed_collector": ("cli", "commands", "config", "run", "wire"),
    "lightspeed_collector ingress": ("cli", "ingress.cli", "ingress.app"),
    "lightspeed_stack": ("cli", "server", "daemon.web", "daemon.worker"),
}
READ_AT_START = ("COVERAGE", "LANG", "LC_", "LD_", "PYTHON", "TZ")


def suits(environ: Mapping[str, str]) -> bool:
    """Whether a process that runs already can take this environment over."""
    return not any(name.startswith(READ_AT_START) for name in environ)


@functools.cache
def started(what: str = "lightspeed_collector", warnings: str = "error") -> Starter:
    """One for all runs of a program, or of one of its commands, that this process wants."""
    made = Starter({**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": warnings}, what)
    atexit.register(made.stop)
    return made


class Run:
    """As subprocess.Popen, whose names these are: a run that goes on."""

    def __init__(self, arguments: Sequence[str], pid: int, told: socket.socket) -> None:
        self.args = arguments
        self.pid = pid
        self.returncode: int | None = None
        self._told = told

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            waiting = select.poll()
            waiting.register(self._told, select.POLLIN)
            if not waiting.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._told.recv(32))
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ends at this moment
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Starter:
    def __init__(self, environ: Mapping[str, str], what: str) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-m", "tests.fakes.starter", str(number), what]
            self._process = subprocess.Popen(command, env=environ, cwd=ROOT, pass_fds=[number])

    def stop(self) -> None:
        self._control.close()
        self._process.wait()

    def start(
        self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, stdout: int, stderr: int
    ) -> Run:
        told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with telling:
            request = json.dumps([list(arguments), dict(environ), str(folder)]).encode()
            socket.send_fds(self._control, [request], [stdout, stderr, telling.fileno()])
        return Run(arguments, int(told.recv(32)), told)

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Raises subprocess.TimeoutExpired."""
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = self.start(arguments, environ, folder, stdout.fileno(), stderr.fileno())
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            texts = [os.pread(file.fileno(), 1 << 30, 0).decode() for file in (stdout, stderr)]
        return subprocess.CompletedProcess(arguments, status, *texts)


def serve(control: socket.socket, program: str) -> None:
    """Until the other side is gone; a process that was forked to run the program leaves with SystemExit."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 3)
        if not request:
            return
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if os.fork() == 0:
            control.close()
            _keep(program, *json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(
    program: str, arguments: list[str], environ: dict[str, str], folder: str, stdout: int, stderr: int, telling: int
) -> None:
    process = os.fork()
    if process == 0:
        os.close(telling)
        _become(program, arguments, environ, folder, stdout, stderr)
    os.close(stdout)
    os.close(stderr)
    os.write(telling, b"%d" % process)
    _, status = os.waitpid(process, 0)
    os.write(telling, b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(program: str, arguments: list[str], environ: dict[str, str], folder: str, stdout: int, stderr: int) -> None:
    for descriptor, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = arguments
    runpy.run_module(program, run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    named, _, _ = sys.argv[2].partition(" ")
    for name in LOADED[sys.argv[2]]:
        importlib.import_module(f"{named}.{name}")
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        serve(listening, named)

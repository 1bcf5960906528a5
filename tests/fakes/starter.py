"""A process that has the collector loaded and forks for each run of it: loading it anew takes longer than most runs.

Each run is `python -m lightspeed_collector` in a process of its own, with its own arguments, environment, folder and
streams, that ends as any other does.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.fakes.daemon import ROOT

PROGRAM = "lightspeed_collector"
LOADED = ("cli", "commands", "config", "run", "wire")
READ_AT_START = ("COVERAGE", "LANG", "LC_", "LD_", "PYTHON", "TZ")


def suits(environ: Mapping[str, str]) -> bool:
    """Whether a process that runs already can take this environment over."""
    return not any(name.startswith(READ_AT_START) for name in environ)


@functools.cache
def started() -> Starter:
    """One for all that this process runs; whatever warns there fails."""
    made = Starter({**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"})
    atexit.register(made.stop)
    return made


class Starter:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-m", "tests.fakes.starter", str(number)]
            self._process = subprocess.Popen(command, env=environ, cwd=ROOT, pass_fds=[number])

    def stop(self) -> None:
        self._control.close()
        self._process.wait()

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Raises TimeoutError."""
        told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with told, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            with telling:
                request = json.dumps([list(arguments), dict(environ), str(folder)]).encode()
                socket.send_fds(self._control, [request], [stdout.fileno(), stderr.fileno(), telling.fileno()])
            told.settimeout(seconds)
            process = int(told.recv(32))
            try:
                status = int(told.recv(32))
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                raise
            texts = [os.pread(file.fileno(), 1 << 30, 0).decode() for file in (stdout, stderr)]
        return subprocess.CompletedProcess(arguments, status, *texts)


def serve(control: socket.socket) -> None:
    """Until the other side is gone; a process that was forked to run the collector leaves with SystemExit."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 3)
        if not request:
            return
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if os.fork() == 0:
            control.close()
            _keep(*json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(arguments: list[str], environ: dict[str, str], folder: str, stdout: int, stderr: int, telling: int) -> None:
    process = os.fork()
    if process == 0:
        os.close(telling)
        _become(arguments, environ, folder, stdout, stderr)
    os.write(telling, b"%d" % process)
    _, status = os.waitpid(process, 0)
    os.write(telling, b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(arguments: list[str], environ: dict[str, str], folder: str, stdout: int, stderr: int) -> None:
    for descriptor, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = arguments
    runpy.run_module(PROGRAM, run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    for name in LOADED:
        importlib.import_module(f"{PROGRAM}.{name}")
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        serve(listening)

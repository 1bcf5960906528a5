"""Those that a soak sets against each other, each a real process that may be killed at any time and is started again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import requests

from tests.fakes.daemon import ROOT, Ingress, Process, Stack
from tests.soak import writer

_WRITER_PAUSE = 0.1
_USER_PAUSE = 0.15


class Killable:
    """One process at a time; `kill` may spare the master and take a worker, as the kernel does when memory is short."""

    name = ""

    def __init__(self, seed: str) -> None:
        self.dice = random.Random(seed + self.name)
        self.kills: list[float] = []
        self.log: list[str] = []
        self._process = self.make()
        self._process.__enter__()

    def make(self) -> Process:
        raise NotImplementedError

    def kill(self) -> None:
        """SIGKILL, and a new start if that is needed."""
        master = self._process.popen.pid
        workers = _children(master)
        self.kills.append(time.time())
        if workers and self.dice.random() < 1 / 3:
            _kill(self.dice.choice(workers))
            return
        for pid in (master, *workers):
            _kill(pid)
        self._end()
        self._process = self.make()
        self._process.__enter__()

    def stop(self) -> None:
        """SIGTERM, if it still runs."""
        if self._process.popen.returncode is None:
            self._end()

    def _end(self) -> None:
        self._process.stop()
        self.log += self._process.log


class SoakedIngress(Killable):
    name = "ingress"

    def __init__(self, seed: str, folder: Path) -> None:
        self.folder = folder
        super().__init__(seed)

    def make(self) -> Process:
        return Ingress(self.folder)

    @property
    def store(self) -> Path:
        return self.folder / "ingress"

    @property
    def address(self) -> str:
        return str(getattr(self._process, "url", "http://127.0.0.1:9/")).split("/")[2]


class SoakedStack(Killable):
    name = "stack"

    def __init__(self, seed: str, folder: Path, collector: dict[str, object]) -> None:
        self.folder = folder
        self._overrides = {"user_data_collection": {"data_collector": collector}}
        super().__init__(seed)

    def make(self) -> Stack:
        return Stack(self.folder, self._overrides)

    @property
    def file(self) -> Path:
        return self.folder / "lightspeed-stack.yaml"

    @property
    def url(self) -> str:
        return str(getattr(self._process, "url", "http://127.0.0.1:9"))


class Writers:
    """Processes that spool records; `acknowledged` has the digest of each by member."""

    name = "writer"

    def __init__(self, seed: str, spool: Path, count: int) -> None:
        self.acknowledged: dict[str, str] = {}
        self.kills: list[float] = []
        self._seed = seed
        self._spool = spool
        self._dice = random.Random(seed + self.name)
        self._started = 0
        self._readers: list[threading.Thread] = []
        self._running = [self._start() for _ in range(count)]

    def kill(self) -> None:
        number = self._dice.randrange(len(self._running))
        self.kills.append(time.time())
        self._running[number].kill()
        self._running[number].wait()
        self._running[number] = self._start()

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        for reader in self._readers:
            reader.join()

    def _start(self) -> subprocess.Popen[str]:
        self._started += 1
        arguments = [str(self._spool), f"{self._seed}-{self._started}", str(_WRITER_PAUSE)]
        command = [sys.executable, "-m", writer.__name__, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=environ(), stdout=subprocess.PIPE, text=True)
        self._readers.append(threading.Thread(target=self._read, args=(process,)))
        self._readers[-1].start()
        return process

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                member, digest = line.split()
                self.acknowledged[member] = digest


class User(threading.Thread):
    """Asks and gives feedback over HTTP; `acknowledged` has the texts that were answered 200, `asked` all of them."""

    def __init__(self, where: Callable[[], str]) -> None:
        super().__init__()
        self.asked: set[str] = set()
        self.acknowledged: set[str] = set()
        self.over = threading.Event()
        self._where = where
        self._conversation = ""

    def run(self) -> None:
        number = 0
        while not self.over.wait(_USER_PAUSE):
            number += 1
            text = f"soak {number:08d}"
            self.asked.add(text)
            with suppress(requests.RequestException):
                self._say(text, asking=not self._conversation or number % 5 == 0)
                self.acknowledged.add(text)

    def _say(self, text: str, *, asking: bool) -> None:
        """A question, or feedback on the answer to the last one."""
        if asking:
            self._conversation = self._post("/v1/query", {"query": text})["conversation_id"]
            return
        feedback = {"user_question": "Why?", "llm_response": "Because.", "user_feedback": text}
        self._post("/v1/feedback", {"conversation_id": self._conversation, **feedback})

    def _post(self, path: str, body: dict[str, str]) -> dict[str, str]:
        answer = requests.post(self._where() + path, json=body, timeout=20)
        answer.raise_for_status()
        found: dict[str, str] = answer.json()
        return found

    def stop(self) -> None:
        self.over.set()
        if self.ident:
            self.join()


class Runs(threading.Thread):
    """A collector run every so often, some of them killed, now and then two at once."""

    name = "collector"

    def __init__(self, seed: str, file: Path, every: float, killed: float) -> None:
        super().__init__()
        self.statuses: Counter[int] = Counter()
        self.kills: list[float] = []
        self.log: list[str] = []
        self.over = threading.Event()
        self._dice = random.Random(seed + "collector")
        self._file = file
        self._every = every
        self._killed = killed

    def run(self) -> None:
        while not self.over.is_set():
            began = time.monotonic()
            second = self._start() if self._dice.random() < 0.05 else None
            self._watch(self._start())
            if second:
                self._end(second)
            self.over.wait(max(0.0, began + self._every - time.monotonic()))

    def stop(self) -> None:
        self.over.set()
        if self.ident:
            self.join()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Any command of the collector, to its end."""
        done = subprocess.run(self._line(*arguments), cwd=ROOT, env=environ(), capture_output=True, text=True)
        self.log += done.stderr.splitlines()
        return done

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._line("run"), cwd=ROOT, env=environ(), stderr=subprocess.PIPE, text=True)

    def _watch(self, process: subprocess.Popen[str]) -> None:
        if self._dice.random() < self._killed:
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._dice.uniform(0.1, 2.0))
            if process.poll() is None:
                process.kill()
                self.kills.append(time.time())
        self._end(process)

    def _end(self, process: subprocess.Popen[str]) -> None:
        _, told = process.communicate()
        self.log += told.splitlines()
        if process.returncode != -signal.SIGKILL:
            self.statuses[process.returncode] += 1

    def _line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "lightspeed_collector", "--config", str(self._file), *arguments]


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)

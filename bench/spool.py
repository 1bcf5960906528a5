"""How many records a second `spool.put` makes durable, and whether sharing directory fsyncs would make it more.

    python bench/spool.py [DIRECTORY] [SECONDS]

Two processes of eight threads each write records of 1 KB, in turn with: put; put whose directory fsync is shared by
the threads that wait for one (a leader fsyncs for all renames finished before it began); and the bare system calls.
Each trial has a directory of its own, and nothing is removed before the end: on ext4 creating a file costs ten
times as much for minutes after many were removed nearby.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lightspeed_stack import durable
from lightspeed_stack.spool import Spool

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

PROCESSES, THREADS, ROUNDS = 2, 8, 5
RECORD = b'{"llm_response": "' + b"x" * 980 + b'"}'
CONVERSATION = "ad14e9de-72d6-42a3-98bf-017e9c0a6b89"


class Shared(durable.Directory):
    """A directory whose `sync` may be done by another thread that began it later than we came."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._condition = threading.Condition()
        self._begun = self._done = 0
        self._leading = False

    def sync(self) -> None:
        with self._condition:
            wanted = self._begun + 1
            while self._done < wanted:
                if self._leading:
                    self._condition.wait()
                else:
                    self._lead()

    def _lead(self) -> None:
        self._leading = True
        self._begun += 1
        begun = self._begun
        self._condition.release()
        try:
            super().sync()
        finally:
            self._condition.acquire()
            self._leading = False
        self._done = begun
        self._condition.notify_all()


def put(path: Path) -> Callable[[], object]:
    spool = Spool(path, 1)
    return lambda: spool.put(CONVERSATION, RECORD, datetime.now(UTC))


def put_shared(path: Path) -> Callable[[], object]:
    spool = Spool(path, 1)
    spool.check()
    spool._opened = Shared(path)
    return lambda: spool.put(CONVERSATION, RECORD, datetime.now(UTC))


def bare(path: Path) -> Callable[[], object]:
    path.mkdir(exist_ok=True)
    directory = os.open(path, os.O_RDONLY)

    def write() -> None:
        name = secrets.token_hex(16)
        fd = os.open(f".{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=directory)
        os.write(fd, RECORD)
        os.fsync(fd)
        os.close(fd)
        os.rename(f".{name}", name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)

    return write


def process(make: Callable[[Path], Callable[[], object]], path: Path, seconds: float, results: Queue[object]) -> None:
    write = make(path)
    counts = [0] * THREADS
    end = time.monotonic() + seconds

    def thread(number: int) -> None:
        while time.monotonic() < end:
            write()
            counts[number] += 1

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    results.put((sum(counts), time.process_time()))


def trial(make: Callable[[Path], Callable[[], object]], path: Path, seconds: float) -> tuple[float, float]:
    """Records a second, and microseconds of CPU a record."""
    context = multiprocessing.get_context("fork")
    results: Queue[object] = context.Queue()
    workers = [context.Process(target=process, args=(make, path, seconds, results)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    done = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    records, cpu = (sum(column) for column in zip(*done, strict=True))
    return records / seconds, 1e6 * cpu / records


def main(place: Path, seconds: float) -> None:
    kinds = {"put": put, "put, shared directory fsync": put_shared, "bare system calls": bare}
    figures: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    root = Path(tempfile.mkdtemp(prefix="bench-spool-", dir=place))
    try:
        for number in range(ROUNDS):
            for kind, make in kinds.items():
                figures[kind].append(trial(make, root / f"{number}-{make.__name__}", seconds))
    finally:
        shutil.rmtree(root)
    for kind, done in figures.items():
        rates, cpus = zip(*done, strict=True)
        print(
            f"{kind:28} {statistics.median(rates):8.0f}/s {statistics.median(cpus):6.0f} us CPU   {min(rates):.0f} to {max(rates):.0f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."), float(sys.argv[2] if len(sys.argv) > 2 else 2))

"""The answers being told now, and how to stop one from whichever worker is asked to.

Each worker knows its own streams, in memory; a stream costs the disk nothing. A worker that is asked for a stream that
it does not know asks the others through their sockets in `directory`. A worker that died takes its streams along and
leaves a dead socket, which the next who asks removes.
"""

from __future__ import annotations

import enum
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ANSWER_SECONDS = 2.0
PAUSE_SECONDS = 0.5
_REMEMBERED = 2048
_LONGEST_MESSAGE = 4096

log = logging.getLogger(__name__)


class Verdict(enum.StrEnum):
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class _Running:
    owner: str
    stop: Callable[[], None]
    interrupted: bool = False


class Streams:
    """Those of this worker, which listens from its first stream on, or from the first that it can; `interrupt` reaches those of all workers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[str, _Running] = {}
        self._finished: dict[str, str] = {}
        self._lock = threading.Lock()
        self._listens = False
        self._failing = False

    def begin(self, request_id: str, owner: str, stop: Callable[[], None]) -> None:
        """`stop` ends the telling from another thread, and does nothing when it has ended."""
        with self._lock:
            if not self._listens:
                self._listens = self._listen()
            self._running[request_id] = _Running(owner, stop)

    def finish(self, request_id: str) -> bool:
        """Whether the stream was interrupted; from now on it can't be."""
        with self._lock:
            running = self._running.pop(request_id)
            self._finished[request_id] = running.owner
            if len(self._finished) > _REMEMBERED:
                del self._finished[next(iter(self._finished))]
            return running.interrupted

    def interrupt(self, request_id: str, owner: str) -> Verdict:
        """Stop the stream wherever it runs, if it is the owner's."""
        verdict = self._interrupt_here(request_id, owner)
        message = json.dumps([request_id, owner]).encode()
        sockets = self._directory.glob("*.sock")
        while verdict is Verdict.UNKNOWN and (path := next(sockets, None)) is not None:
            if path != self._own_socket:
                verdict = _ask(path, message)
        return verdict

    def interrupt_all(self) -> None:
        """Stop those of this worker, as their owners would."""
        with self._lock:
            running = list(self._running.values())
            for one in running:
                one.interrupted = True
        for one in running:
            one.stop()

    def _interrupt_here(self, request_id: str, owner: str) -> Verdict:
        with self._lock:
            running = self._running.get(request_id)
            known_owner = running.owner if running else self._finished.get(request_id)
            if known_owner is None:
                return Verdict.UNKNOWN
            if known_owner != owner:
                return Verdict.FOREIGN
            if running is None:
                return Verdict.FINISHED
            running.interrupted = True
        running.stop()
        return Verdict.INTERRUPTED

    @property
    def _own_socket(self) -> Path:
        return self._directory / f"{os.getpid()}.sock"

    def _listen(self) -> bool:
        """Whether it succeeds; the next stream tries again."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own_socket.unlink(missing_ok=True)
            with ExitStack() as undone, _short(self._own_socket) as address:
                listener = undone.enter_context(socket.socket(socket.AF_UNIX))
                listener.bind(address)
                listener.listen()
                threading.Thread(target=self._answer_all, args=(listener,), name="interrupts", daemon=True).start()
                undone.pop_all()
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            level = logging.DEBUG if self._failing else logging.WARNING
            log.log(level, "other workers can't interrupt the streams of this one: %s", error)
            self._failing = True
            return False
        return True

    def _answer_all(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError as error:  # no descriptor is free: there will be
                log.warning("a worker that asks for a stream has to wait: %s", error)
                time.sleep(PAUSE_SECONDS)
                continue
            with connection, suppress(OSError, ValueError, TypeError, RecursionError):
                connection.settimeout(ANSWER_SECONDS)
                request_id, owner = json.loads(connection.recv(_LONGEST_MESSAGE))
                connection.sendall(self._interrupt_here(request_id, owner).encode())


def _ask(path: Path, message: bytes) -> Verdict:
    """What another worker says; one that is gone or does not answer knows nothing."""
    try:
        with socket.socket(socket.AF_UNIX) as connection, _short(path) as address:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(address)
            connection.sendall(message)
            return Verdict(connection.recv(_LONGEST_MESSAGE).decode())
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        log.warning("a worker does not say whether it has a stream: %s", error)
    return Verdict.UNKNOWN


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for `path` that fits into the 107 bytes of a socket's address (unix(7))."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)

"""One run at a time, and one at a time who moves records in or out of the quarantine.

flock(2) on a file of the state directory and on the folders themselves: who is killed holds none.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lightspeed_collector.errors import Busy, Locked, StateError

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.1
_PATIENCE_SECONDS = 30.0


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Raises `Locked` when another run has it, `StateError` when it can't be made."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from error
    try:
        _take(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def waited_for(folder: Path, pause: Callable[[float], None]) -> Iterator[None]:
    """Hold a folder, as soon as nobody else does; there is nothing to hold in one that is missing.

    `pause` waits some seconds, and may raise. Raises `StateError`; `Busy` when it takes long.
    """
    with ExitStack() as stack:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StateError(f"{folder}: {error.strerror}") from error
        else:
            stack.callback(os.close, descriptor)
            _wait(descriptor, folder, pause)
        yield


def folders(descriptors: Iterable[int]) -> None:
    """Hold open folders too, until they are closed: two configurations may share a spool and not their state."""
    for descriptor in descriptors:
        _take(descriptor)


def _take(descriptor: int) -> None:
    if not _is_taken(descriptor):
        raise Locked("another run is under way: nothing to do")


def _wait(descriptor: int, folder: Path, pause: Callable[[float], None]) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    if _is_taken(descriptor):
        return
    log.info("%s: held by another command, waiting for it", folder)
    while not _is_taken(descriptor):
        if time.monotonic() > until:
            raise Busy(f"{folder}: held by another command for {_PATIENCE_SECONDS:.0f} seconds")
        pause(_PAUSE_SECONDS)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: the ledger's own remain
    return True

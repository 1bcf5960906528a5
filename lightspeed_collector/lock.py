"""One run at a time, and one at a time who moves records in or out of the quarantine.

flock(2) on a file of the state directory and on the folders themselves: who is killed holds none.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lightspeed_collector.errors import Locked, StateError

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.1


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

    `pause` waits some seconds, and may raise. Raises `StateError`.
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
            waits = False
            while not _is_taken(descriptor):
                if not waits:
                    log.info("%s: held by another command, waiting for it", folder)
                waits = True
                pause(_PAUSE_SECONDS)
        yield


def folders(descriptors: Iterable[int]) -> None:
    """Hold open folders too, until they are closed: two configurations may share a spool and not their state."""
    for descriptor in descriptors:
        _take(descriptor)


def _take(descriptor: int) -> None:
    if not _is_taken(descriptor):
        raise Locked("another run is under way: nothing to do")


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: the ledger's own remain
    return True

"""A switch of the whole installation, kept in a file of the state directory: on or off in every worker at once, and
after a restart. It has the configured position until it is set, and again when another one is configured: the file
says against which it was set. Reading it costs one stat.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightspeed_stack import durable

FILE = "feedback-switch"
_ON, _OFF = b"on as configured\n", b"off as configured\n"
_ON_AGAINST, _OFF_AGAINST = b"on against the configuration\n", b"off against the configuration\n"

log = logging.getLogger(__name__)

Identity = tuple[int, int, int]


class SwitchError(Exception):
    """The position could not be kept, so it is as before; the message names the file and the reason."""


class Switch:
    def __init__(self, state_dir: Path, default: bool) -> None:
        self._path = state_dir / FILE
        self._name = str(self._path)
        self._default = default
        self._words = {_ON: True, _OFF_AGAINST: False} if default else {_OFF: False, _ON_AGAINST: True}
        self._others = {_OFF, _ON_AGAINST} if default else {_ON, _OFF_AGAINST}  # set while the other one was configured
        self._known: tuple[Identity | None, bool] = (None, default)

    def get(self) -> bool:
        """The position; the configured one if the file is missing, damaged or unreadable (the latter are logged)."""
        identity, position = self._known
        found = self._look()
        if found != identity:
            position = self._read() if found else self._default
            self._known = (found, position)
        return position

    def set(self, position: bool) -> bool:
        """Turn the switch for good; returns where it was. Raises SwitchError."""
        try:
            durable.make(self._path.parent)
            directory = durable.Directory(self._path.parent)
            with _alone(directory):
                before = self.get()
                directory.replace(FILE, self._word(position), 0o640)
        except OSError as error:
            raise SwitchError(f"{self._path}: {error.strerror}") from error
        return before

    def settle(self) -> None:
        """Forget a position that was set while the other one was configured, lest it come back with that; at a start."""
        try:
            directory = durable.Directory(self._path.parent)
            with _alone(directory):
                if self._path.read_bytes() in self._others and directory.remove(FILE):
                    directory.sync()
                    log.info("the configured position of the feedback switch holds: %s", _told(self._default))
        except FileNotFoundError:
            pass
        except OSError as error:
            log.error("%s: %s", self._path, error.strerror)

    def _word(self, position: bool) -> bytes:
        return next(word for word, meant in self._words.items() if meant is position)

    def _look(self) -> Identity | None:
        """What tells one position from another: each is a new file, and the words differ in length."""
        try:
            status = os.stat(self._name)
        except FileNotFoundError:
            return None
        except OSError as error:
            return (0, 0, error.errno or -1)
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def _read(self) -> bool:
        try:
            said = self._path.read_bytes()
            return self._default if said in self._others else self._words[said]
        except FileNotFoundError:
            return self._default
        except (OSError, KeyError) as error:
            why = error.strerror if isinstance(error, OSError) else "damaged, it should say on or off"
            log.error("%s: %s; the configured %s holds", self._path, why, _told(self._default))
            return self._default


def _told(position: bool) -> str:
    return "on" if position else "off"


@contextmanager
def _alone(directory: durable.Directory) -> Iterator[None]:
    """One at a time, over all threads and processes."""
    fcntl.flock(directory.fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(directory.fd, fcntl.LOCK_UN)

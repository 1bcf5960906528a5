"""Drafts: what arrives is written here first, hashed and checked on the way, in pieces that are then forgotten.

A draft is locked (flock(2)) by the process that writes it, so that one left by a crash can be told from a live one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from lightspeed_collector.ingress.payload import Checker, Malformed

_INFLATION_LIMIT = 200


class Draft:
    """A payload while it arrives; the file is gone when the context ends. Beyond `limit` bytes are only counted."""

    def __init__(self, directory: Path, limit: int) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".draft", dir=directory)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.path = Path(name)
        self.size = 0
        self._limit = limit
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._digest = hashlib.sha256()
        self._checker: Checker | None = Checker(limit * _INFLATION_LIMIT)
        self._fault = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.path.unlink(missing_ok=True)
        self._file.close()

    @property
    def is_too_large(self) -> bool:
        return self.size > self._limit

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.is_too_large:
            return
        _write_all(self._file.fileno(), piece)
        self._digest.update(piece)
        if self._checker:
            self._check(self._checker, piece)

    def sync(self) -> None:
        """Make it durable, readable by owner and group."""
        os.fchmod(self._file.fileno(), 0o640)
        os.fsync(self._file.fileno())

    def records(self) -> int:
        """How many records it holds; raises `Malformed` when it isn't a sound archive of records."""
        if not self._checker:
            raise Malformed(self._fault)
        return self._checker.finish()

    def _check(self, checker: Checker, piece: bytes) -> None:
        try:
            checker.feed(piece)
        except Malformed as fault:
            self._checker, self._fault = None, str(fault)


def sweep(directory: Path) -> int:
    """Remove what crashes left behind; drafts that somebody still writes stay."""
    return sum(_remove_if_dead(path) for path in directory.glob(".*.draft"))


def _remove_if_dead(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _write_all(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]

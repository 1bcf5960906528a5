"""Tells of payloads: one JSON line each, appended to a file, exactly once whatever is killed when.

A line is first set down as an intention, a small file of its own, then the payload is stored, then the line is
appended and the intention withdrawn. An intention that is still there afterwards is in doubt: its line is looked for
in the file and added only when it is missing. A line torn by a power failure is cut off before the next is added.
"""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightspeed_collector.ingress.store import make_directory, sync_directory

_SUFFIX = ".json"


class Notifications:
    def __init__(self, file: Path, intentions: Path) -> None:
        self._file = file
        self._intentions = intentions

    def check(self) -> None:
        """Raises `StoreError` when nothing could be told."""
        make_directory(self._intentions)
        make_directory(self._file.parent)

    def intend(self, name: str, notice: Mapping[str, Any]) -> None:
        """Set down durably what will be told of the payload that is about to be stored under `name`."""
        with self._path(name).open("wb") as file:
            file.write(json.dumps(notice).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self._intentions)

    def in_doubt(self) -> list[str]:
        """Names that a crash, or an upload under way, left with an intention."""
        return sorted(path.name.removesuffix(_SUFFIX) for path in self._intentions.glob("*" + _SUFFIX))

    def tell(self, name: str, *, in_doubt: bool) -> None:
        """Carry out the intention for the payload stored under `name`, if there is one.

        `in_doubt`: the line may be in the file already.
        """
        line = self._intended(name)
        if line.endswith(b"\n"):
            with _locked(self._file) as descriptor:
                end = _cut_torn_line(descriptor)
                if not (in_doubt and _holds(descriptor, line)):
                    _append(descriptor, line, end)
        self.withdraw(name)

    def withdraw(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _intended(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return b""

    def _path(self, name: str) -> Path:
        return self._intentions / (name + _SUFFIX)


@contextmanager
def _locked(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _append(descriptor: int, line: bytes, end: int) -> None:
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, end)
        raise


def _cut_torn_line(descriptor: int) -> int:
    """The size of the file, which then ends with a whole line."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as content:
            size = content.rfind(b"\n") + 1
        os.ftruncate(descriptor, size)
    return size


def _holds(descriptor: int, line: bytes) -> bool:
    if not os.fstat(descriptor).st_size:
        return False
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as content:
        return content.rfind(line) >= 0

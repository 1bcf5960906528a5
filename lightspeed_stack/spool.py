"""The writer's side of a spool, version 1 (SPOOL.md): `put` returns once the record is durable under its name.

It never changes or removes a record that it acknowledged, and never waits for the reader. A spool may be shared by
threads and kept over a fork. Threads don't share their directory fsyncs: that measured no faster (bench/spool.py).
"""

from __future__ import annotations

import errno
import os
import random
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from lightspeed_stack import durable

_ID = r"[A-Za-z0-9][A-Za-z0-9-]{0,63}"
_RECORD = re.compile(rf"[0-9]{{8}}T[0-9]{{6}}\.[0-9]{{6}}Z_{_ID}_[0-9a-f]{{8}}\.json")
_SAFE_ID = re.compile(_ID)
_MODE = 0o640
_TRIES = 16
_OLD_DRAFT_SECONDS = 3600
_USAGE_SECONDS = 10
_USAGE_SHARE = 50  # counting may take one part in so many of the time

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class SpoolError(Exception):
    """Nothing was stored. The message names the directory and the reason; `cause` is a word for metrics."""

    cause = "error"


class Full(SpoolError):
    """No room on the file system, or less than the reserve: works again when there is."""

    cause = "full"


class NotWritable(SpoolError):
    """The directory can't be made or written to: somebody has to put that right."""

    cause = "not-writable"


class Unreachable(NotWritable):
    """The path names no directory, or one that can't be entered."""


class Usage(NamedTuple):
    """What waits in a spool; `oldest` is when the first of its records was made."""

    records: int
    bytes: int
    oldest: datetime | None


def _random() -> str:
    return f"{random.getrandbits(32):08x}"  # a name that is taken costs another try, no more


class Spool:
    def __init__(self, directory: Path, min_free_bytes: int, random: Callable[[], str] = _random) -> None:
        self.directory = directory
        self._min_free_bytes = min_free_bytes
        self._random = random
        self._opened: durable.Directory | None = None
        self._usage = Usage(0, 0, None)
        self._usage_until = 0.0
        self._counting = threading.Lock()

    def put(self, conversation_id: str, data: bytes, now: datetime) -> str:
        """Store `data` durably and return the record's name; raises SpoolError, or ValueError for an unsafe id."""
        with self._errors_told():
            directory, name = self._draft(conversation_id, data, now)
            try:
                directory.rename(f".{name}", name)
                directory.sync()
            except BaseException:
                directory.remove(f".{name}")
                directory.remove(name)
                raise
        return name

    def check(self) -> None:
        """Raise the SpoolError that a small record would meet now; leaves nothing behind."""
        with self._errors_told():
            directory, name = self._draft("check", b"{}", datetime.now(UTC))
            directory.remove(f".{name}")

    def forget(self, conversation_id: str) -> None:
        """Ask the reader to remove the conversation's records that have not been sent; the request is durable."""
        _refuse_unsafe(conversation_id)
        with self._errors_told(), suppress(FileNotFoundError):  # no directory: no records
            directory = self._reached()
            directory.write(f".forget_{conversation_id}_{self._random()}", b"", _MODE)
            directory.sync()

    def conversations(self) -> frozenset[str]:
        """The ids of the conversations that have records here."""
        with self._errors_told(), suppress(FileNotFoundError):
            names = (entry.name for entry in durable.Directory(self.directory).entries())
            return frozenset(name.split("_")[1] for name in names if _RECORD.fullmatch(name))
        return frozenset()

    def usage(self) -> Usage:
        """What waits to be sent, as of some seconds ago; the longer the counting takes, the longer ago."""
        if time.monotonic() >= self._usage_until and self._counting.acquire(blocking=False):
            try:
                began = time.monotonic()
                with self._errors_told():
                    self._usage = _count(self.directory)
                ended = time.monotonic()
                self._usage_until = ended + max(_USAGE_SECONDS, _USAGE_SHARE * (ended - began))
            finally:
                self._counting.release()
        return self._usage

    def remove_old_drafts(self) -> int:
        """Remove what crashes left behind more than an hour ago; returns how many."""
        with self._errors_told(), suppress(FileNotFoundError):
            directory = durable.Directory(self.directory)
            return sum(directory.remove(entry.name) for entry in directory.entries() if _is_old_draft(entry))
        return 0

    def _draft(self, conversation_id: str, data: bytes, now: datetime) -> tuple[durable.Directory, str]:
        """Write a draft, which reserves the name among writers; returns the directory it is in and the name."""
        _refuse_unsafe(conversation_id)
        prefix = f"{_stamp(now)}_{conversation_id}"
        for _ in range(_TRIES):
            directory = self._current()
            self._refuse_when_full(directory, len(data))
            name = f"{prefix}_{self._random()}.json"
            with suppress(FileExistsError, FileNotFoundError):  # name taken; directory removed since it was opened
                directory.write(f".{name}", data, _MODE)
                if not directory.has(name):
                    return directory, name
                directory.remove(f".{name}")
        raise NotWritable(f"{self.directory}: no file can be created, {_TRIES} names were tried")

    def _current(self) -> durable.Directory:
        """The directory that the path names now, made if there is none."""
        opened = self._opened
        if opened is None or not opened.is_at(self.directory):
            durable.make(self.directory)
            opened = self._opened = durable.Directory(self.directory)
        return opened

    def _reached(self) -> durable.Directory:
        try:
            return durable.Directory(self.directory)
        except (NotADirectoryError, PermissionError) as error:
            raise Unreachable(f"{self.directory}: {error.strerror}") from error

    def _refuse_when_full(self, directory: durable.Directory, size: int) -> None:
        space = os.fstatvfs(directory.fd)
        if space.f_bavail * space.f_frsize < self._min_free_bytes + size:
            raise Full(f"{self.directory}: only the reserve of {self._min_free_bytes} bytes is left on the file system")

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = Full if error.errno in _FULL else NotWritable if error.errno in _NOT_WRITABLE else SpoolError
            raise kind(f"{self.directory}: {error.strerror}") from error


def _refuse_unsafe(conversation_id: str) -> None:
    if not _SAFE_ID.fullmatch(conversation_id):
        raise ValueError("the conversation id can't be part of a record's name")


def _stamp(now: datetime) -> str:
    if now.tzinfo is None:
        raise ValueError("a record's time needs a time zone")
    iso = now.astimezone(UTC).isoformat(timespec="microseconds")
    return iso.removesuffix("+00:00").replace("-", "").replace(":", "") + "Z"


def _is_old_draft(entry: os.DirEntry[str]) -> bool:
    if not (entry.name.startswith(".") and _RECORD.fullmatch(entry.name, 1)):
        return False
    with suppress(FileNotFoundError):
        status = entry.stat(follow_symlinks=False)
        return stat.S_ISREG(status.st_mode) and status.st_mtime < time.time() - _OLD_DRAFT_SECONDS
    return False


def _count(path: Path) -> Usage:
    records, size, first = 0, 0, ""
    with suppress(FileNotFoundError):
        for entry in durable.Directory(path).entries():
            if _RECORD.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # sent meanwhile
                    size += entry.stat(follow_symlinks=False).st_size
                    records += 1
                    first = min(first or entry.name, entry.name)
    return Usage(records, size, _made(first))


def _made(name: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.strptime(name[:22], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    return None

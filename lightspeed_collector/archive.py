"""Builds a batch's archive: tar (POSIX.1-1988 ustar) and gzip, on the disk, with constant memory.

The same records give the same bytes: owner, mode and order are fixed, the time is the record's. An archive appears
under its batch's name only when it is whole and durable, and stays until its batch is done: a repeat is the same file.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lightspeed_collector import tar
from lightspeed_collector.backlog import Queue
from lightspeed_collector.batch import Batch, Room
from lightspeed_collector.durable import sync_folder
from lightspeed_collector.errors import StateError, StateFull
from lightspeed_collector.large import Large
from lightspeed_collector.retention import Entry
from lightspeed_collector.spool import Record
from lightspeed_collector.upcoming import Building

if TYPE_CHECKING:
    from lightspeed_collector.gzipped import Writer

SUFFIX = ".tar.gz"
DRAFT = ".draft"
_ID_DIGITS = 32
_NAME = re.compile(r"([0-9a-f]{32})\.tar\.gz")
_STEP = 50
_BIG = 1 << 20
_LOST = (errno.ENOENT, errno.ELOOP, errno.EISDIR)


class Archives:
    """The folder of archives that were not acknowledged yet."""

    def __init__(self, folder: Path, level: int) -> None:
        self._folder = folder
        self._level = level

    def path(self, batch_id: str) -> Path:
        return self._folder / f"{batch_id}{SUFFIX}"

    def build(self, records: Iterator[Record], queue: Queue, room: Room) -> Building:
        """Archive `records` in steps until the room is used up; the one that no longer fits goes back into `queue`.

        None when there is no record. Raises `StateError` with the members put back, its kind `StateFull` when a smaller
        batch may fit; `Unsettled` and `SpoolError` of a large record, which is always alone. A build that is
        closed before its end puts the members back as well.
        """
        if queue.is_empty():
            return None
        from lightspeed_collector.gzipped import Writer

        room.empty()
        draft = self._folder / DRAFT
        entries: list[Entry] = []
        try:
            with open(draft, "wb", buffering=0, opener=_private) as file:
                with Writer(file, self._level) as writer:
                    yield from _fill(writer, entries, records, queue, room)
                    if not entries:
                        return None
                    writer.put(tar.END)
                    writer.close()
                os.fsync(file.fileno())
            return self._keep(writer, entries)
        except GeneratorExit:
            _put_back(entries, queue)
            raise
        except OSError as error:
            _put_back(entries, queue)
            message = f"{self._folder}: {error.strerror or error}"
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) and len(entries) > 1:
                raise StateFull(message, len(entries)) from error
            raise StateError(message) from error
        finally:
            with suppress(OSError):  # it will be written over
                draft.unlink()

    def holds(self, batch: Batch) -> bool:
        """Whether the batch's archive is there and its bytes are those that were claimed; raises `StateError` when nobody can
        tell."""
        import hashlib

        try:
            with self.path(batch.id).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == batch.sha256
        except OSError as error:
            if is_lost(error):
                return False
            raise StateError(f"{self.path(batch.id)}: {error.strerror}") from error

    def remove(self, batch_id: str) -> None:
        """An archive that is not needed any more; one that can't be removed now is an orphan for the next run."""
        try:
            self.path(batch_id).unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"{self.path(batch_id)}: {error.strerror}") from error

    def sweep(self, known: Iterable[str], tell: Callable[[StateError], None]) -> None:
        """Remove what killed runs left: a draft, and archives of batches that are not `known`.

        `tell` learns of those that can't be removed. Raises `StateError`.
        """
        with suppress(OSError):
            (self._folder / DRAFT).unlink()
        for batch_id in set(self.ids()).difference(known):
            try:
                self.remove(batch_id)
            except StateError as error:
                tell(error)

    def ids(self) -> list[str]:
        """The batches whose archives are in the folder; raises `StateError`."""
        try:
            found = os.listdir(self._folder)
        except OSError as error:
            raise StateError(f"{self._folder}: {error.strerror}") from error
        return sorted(match[1] for match in map(_NAME.fullmatch, found) if match)

    def _keep(self, writer: Writer, entries: list[Entry]) -> Batch:
        members, identities = zip(*entries, strict=True)
        batch = Batch(writer.sha256[:_ID_DIGITS], writer.sha256, writer.written, members, identities)
        os.rename(self._folder / DRAFT, self.path(batch.id))
        sync_folder(self._folder)
        return batch


def is_lost(error: OSError) -> bool:
    """Whether the file is not there; if it just can't be read it may be later."""
    return error.errno in _LOST


def _put_back(entries: list[Entry], queue: Queue) -> None:
    queue.put_back(*(entry.member for entry in entries))


def _fill(writer: Writer, entries: list[Entry], records: Iterator[Record], queue: Queue, room: Room) -> Iterator[None]:
    for entry, data, large in records:
        if (large and entries) or not room.admits(entry.identity.size):
            queue.put_back(entry.member)
            if large:
                large.close()
            return
        entries.append(entry)
        if data is None:
            yield from _copy(writer, entry, large)
            return
        writer.put(_header(entry), data, tar.padding(entry.identity.size))
        if not len(entries) % _STEP or len(data) > _BIG:
            yield


def _copy(writer: Writer, entry: Entry, large: Large | None) -> Iterator[None]:
    assert large
    with closing(large):
        writer.put(_header(entry))
        for piece in large.pieces():
            writer.put(piece)
            yield
        writer.put(tar.padding(entry.identity.size))


def _header(entry: Entry) -> bytes:
    return tar.header(entry.member, entry.identity.size, entry.identity.mtime_ns // 1_000_000_000)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

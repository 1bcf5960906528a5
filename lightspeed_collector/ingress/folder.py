"""A folder of unpacked records, DIR/transcripts/NAME and DIR/feedback/NAME, to which only what is new is added.

What was added before is remembered in DIR/.unpacked, an SQLite file, so that records may be moved away without
coming back. A record's file is whole when it appears. The memory is committed after the files have reached the disk
(sync(2)), so a crash makes some work anew and loses none.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from lightspeed_collector.ingress.reading import Record

_PIECE = 1 << 20
_TABLES = """
CREATE TABLE IF NOT EXISTS payload (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (digest BLOB PRIMARY KEY) WITHOUT ROWID;
"""


class FolderError(Exception):
    """The folder can't be written."""


class FolderBusy(Exception):
    """Another process is adding to the folder."""


class Folder:
    """Raises `FolderError` and `FolderBusy` when it is entered, and `FolderError` later on.

    The memory is committed when `settle_every` records have been added, and at the end.
    """

    def __init__(self, path: Path, settle_every: int = 10_000) -> None:
        self._path = path
        self._draft = path / ".draft"
        self._settle_every = settle_every
        self._unsettled = 0

    def __enter__(self) -> Self:
        try:
            for kind in ("transcripts", "feedback"):
                (self._path / kind).mkdir(parents=True, exist_ok=True)
            with self._remembering():
                self._memory = sqlite3.connect(self._path / ".unpacked", timeout=0, isolation_level=None)
                try:
                    self._memory.executescript(_TABLES)
                    self._memory.execute("BEGIN IMMEDIATE")
                except sqlite3.Error:
                    self._memory.close()
                    raise
        except OSError as error:
            raise FolderError(f"{error.filename or self._path}: can't be made: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._draft.unlink()
        try:
            self._settle()
        except FolderError:
            if value is None:  # else the first one tells more
                raise
        finally:
            self._memory.close()

    def has(self, payload: str) -> bool:
        """Whether all of the payload was added before."""
        return self._knows("SELECT 1 FROM payload WHERE name = ?", payload)

    def finish(self, payload: str) -> None:
        """All of the payload has been added."""
        with self._remembering():
            self._memory.execute("INSERT INTO payload VALUES (?)", (payload,))
        if self._unsettled >= self._settle_every:
            self._settle()
            with self._remembering():
                self._memory.execute("BEGIN IMMEDIATE")

    def add(self, record: Record, batch_id: str) -> bool:
        """False when this very record was added before. Raises what its pieces raise, too."""
        try:
            key = self._write(record)
            if self._knows("SELECT 1 FROM record WHERE digest = ?", key):
                return False
            self._place(record, key)
        except OSError as error:
            raise FolderError(f"{error.filename2 or error.filename or self._path}: {error.strerror}") from error
        with self._remembering():
            self._memory.execute("INSERT INTO record VALUES (?)", (key,))
        self._unsettled += 1
        return True

    def _write(self, record: Record) -> bytes:
        """Into the draft; its digest."""
        known = digester(record)
        descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            for piece in record.pieces:
                known.update(piece)
                file.write(piece)
        return known.digest()

    def _place(self, record: Record, key: bytes) -> None:
        """The draft under the record's name, or beside other content of that name as NAME.DIGEST.json."""
        folder = self._path / record.kind
        for name in (record.name, f"{record.name.removesuffix('.json')}.{key.hex()[:12]}.json"):
            target = folder / name
            if _is_free(target):
                os.rename(self._draft, target)
                return
            if _alike(target, self._draft):
                return
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder / record.name))

    def _settle(self) -> None:
        if self._unsettled:
            os.sync()
        with self._remembering():
            self._memory.execute("COMMIT")
        self._unsettled = 0

    def _knows(self, question: str, key: str | bytes) -> bool:
        with self._remembering():
            return self._memory.execute(question, (key,)).fetchone() is not None

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            kind = FolderBusy if busy else FolderError
            raise kind(f"{self._path / '.unpacked'}: {error}") from error


def digester(record: Record) -> hashlib.blake2b:
    """Of what makes a record the same, kind, name and content; the content is yet to be fed to it."""
    return hashlib.blake2b(f"{record.kind}/{record.name}\n".encode(), digest_size=16)


def _is_free(path: Path) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    return False


def _alike(path: Path, draft: Path) -> bool:
    """Whether `path` is a plain file with the same content."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file, draft.open("rb") as other:
        is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return is_plain and all(one == two for one, two in zip_longest(_pieces(file), _pieces(other)))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_PIECE), b"")

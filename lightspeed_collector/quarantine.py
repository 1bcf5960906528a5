"""Records that can't be sent, whole, each with the reason beside it: `quarantine/STORAGE/NAME` and `NAME.reason`.

They come in durable copies before they leave the spool, and are never sent, dropped or changed; an operator releases
or discards them. Who moves one does so `alone`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import NamedTuple

from lightspeed_collector import lock, names
from lightspeed_collector.durable import sync_folder, write_durably
from lightspeed_collector.errors import StateError
from lightspeed_collector.large import Unsettled
from lightspeed_collector.retention import Entry
from lightspeed_collector.spool import Spool

REASON = ".reason"
RELEASING = ".releasing"


class Held(NamedTuple):
    """A record in the quarantine; `releasing` when its release was begun and not finished: it may be in the spool as well."""

    member: str
    path: Path
    reason: str
    size: int
    since: float
    releasing: bool

    def keeps(self, record: Path) -> bool:
        """Whether what that file holds is here, under this name or one made of it; raises `StateError`."""
        try:
            return _free(record, self.path).exists()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StateError(f"{self.path} or {record}: {error.strerror}") from error


class Quarantine:
    def __init__(self, folder: Path, pause: Callable[[float], None] = time.sleep) -> None:
        """`pause` is how to wait for others; it may raise."""
        self._folder = folder
        self._pause = pause

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else moves records in or out meanwhile; waits for whoever does. Raises `StateError`."""
        return lock.waited_for(self._folder, self._pause)

    def take(self, entry: Entry, reason: str, spool: Spool) -> str | None:
        """Move a record from the spool into the quarantine, and tell its name there; None when it is no longer the same record.

        It keeps its name, unless another record is held under that.

        Raises `StateError` when it can't be kept here (then it stays where it is), and what `spool` raises. One that is replaced
        at the very end is kept here as it was, and its successor waits in the spool.
        """
        with self.alone():
            try:
                with spool.open(entry.member) as (descriptor, identity):
                    if identity != entry.identity:
                        raise Unsettled(entry.member)
                    kept = self._keep(descriptor, entry.member, reason)
            except Unsettled:
                return None
            spool.delete(entry)
            spool.sync()
            return kept

    def held(self) -> Iterator[Held]:
        """All of them, by storage and age, but those that go meanwhile; raises `StateError`."""
        for storage in (names.FEEDBACK, names.TRANSCRIPTS):
            found = sorted(self._listed(storage))
            looked_at = (self._held(storage, name) for name in found if names.is_record(name))
            yield from (held for held in looked_at if held)

    def sweep(self) -> None:
        """Remove, `alone`, what killed runs left of records that are not here, or leave it to the next run.

        Raises `StateError`.
        """
        for storage in (names.FEEDBACK, names.TRANSCRIPTS):
            found = set(self._listed(storage))
            for name in found:
                record = name.removesuffix(REASON).removesuffix(RELEASING)
                if names.is_draft(name) or (names.is_record(record) and record not in found):
                    with suppress(OSError):
                        (self._folder / storage / name).unlink()

    def discard(self, held: Held) -> None:
        """Remove it for good, `alone`; raises `StateError`."""
        try:
            held.path.unlink()
            for suffix in (REASON, RELEASING):
                _beside(held.path, suffix).unlink(missing_ok=True)
            sync_folder(held.path.parent)
        except OSError as error:
            raise StateError(f"{held.path}: {error.strerror}") from error

    def release(self, held: Held, storage: Path) -> None:
        """Put it back into the spool, `alone`, to be tried again; raises `StateError`.

        Cut short, it is finished by the next run before that looks for records: else it could be sent, and released again.
        """
        try:
            write_durably(_beside(held.path, RELEASING), b"", 0o600)
            sync_folder(held.path.parent)
            _copy(held.path, storage)
            sync_folder(storage)
        except OSError as error:
            raise StateError(f"{storage / held.path.name}: {error.strerror}") from error
        self.discard(held)

    def take_back(self, held: Held, storage: Path) -> None:
        """Leave, `alone`, nothing in the spool of a move that was cut short, in or out; raises `StateError`."""
        target = storage / held.path.name
        try:
            if target.exists() and _alike(held.path, target):
                target.unlink()
            _beside(held.path, RELEASING).unlink(missing_ok=True)
            for folder in (storage, held.path.parent):
                sync_folder(folder)
        except OSError as error:
            raise StateError(f"{target}: {error.strerror}") from error

    def _listed(self, storage: str) -> list[str]:
        try:
            return os.listdir(self._folder / storage)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateError(f"{self._folder / storage}: {error.strerror}") from error

    def _held(self, storage: str, name: str) -> Held | None:
        """None when it is gone."""
        path = self._folder / storage / name
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}") from error
        try:
            reason = _beside(path, REASON).read_text(encoding="utf-8").strip()
        except OSError:
            reason = "unknown"
        releasing = _beside(path, RELEASING).exists()
        return Held(f"{storage}/{name}", path, reason, found.st_size, found.st_mtime, releasing)

    def _keep(self, descriptor: int, member: str, reason: str) -> str:
        storage, name = names.split(member)
        folder = self._folder / storage
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            draft = folder / f".{name}"
            with os.fdopen(os.dup(descriptor), "rb") as source:
                write_durably(draft, source, 0o600)
            target = _free(draft, folder / name)
            write_durably(_beside(target, REASON), f"{reason}\n".encode(), 0o600)
            _beside(target, RELEASING).unlink(missing_ok=True)
            os.rename(draft, target)
            for made in (folder, self._folder):
                sync_folder(made)
        except OSError as error:
            raise StateError(f"{folder / name}: {error.strerror or error}") from error
        return f"{storage}/{target.name}"


def is_being_written(descriptor: int) -> bool | None:
    """Whether somebody has the file open for writing; None when we may not know (fcntl(2), F_SETLEASE)."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _copy(record: Path, storage: Path) -> None:
    """Into the spool, unless it is there already; raises `StateError` when another is."""
    target, draft = storage / record.name, storage / f".{record.name}"
    draft.unlink(missing_ok=True)  # of a release that was cut short: another name of the record itself, perhaps
    if target.exists() and _alike(record, target):
        return  # that release put it there
    try:
        _make_readable(draft, storage)
        with record.open("rb") as source:
            write_durably(draft, source, 0o640)
        os.link(draft, target, follow_symlinks=False)
    except FileExistsError as error:
        if not _alike(record, target):
            _beside(record, RELEASING).unlink(missing_ok=True)
            raise StateError(f"{target}: there is another record of that name") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _make_readable(draft: Path, storage: Path) -> None:
    """An empty draft that the collector can read, whoever releases the record and with whatever umask."""
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        os.fchmod(descriptor, 0o640)
        with suppress(PermissionError):
            os.fchown(descriptor, -1, storage.stat().st_gid)
    finally:
        os.close(descriptor)


def _alike(one: Path, other: Path) -> bool:
    import filecmp

    return filecmp.cmp(one, other, shallow=False)


def _free(draft: Path, wanted: Path) -> Path:
    """`wanted`, or a name like it when a record with other contents is held under that already."""
    while wanted.exists() and not _alike(draft, wanted):
        stem, _, number = wanted.stem.rpartition("_")
        wanted = wanted.with_name(f"{stem}_{(int(number, 16) + 1) % 16**8:08x}.json")
    return wanted

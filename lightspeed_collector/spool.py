"""The reader's side of the spool: scan, look, read, delete. It never adds, changes or renames anything there.

Everything is relative to a descriptor of the storage folder; symbolic links are never followed, and what isn't a
regular file under a record's name is left alone and counted.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from lightspeed_collector import names
from lightspeed_collector.backlog import Backlog
from lightspeed_collector.batch import Identity
from lightspeed_collector.errors import SpoolError
from lightspeed_collector.large import Large, Unsettled
from lightspeed_collector.retention import Entry

LARGE = 8 << 20
_OFTEN = 1000
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_NO_RECORD = (errno.ELOOP, errno.ENXIO, errno.ENODEV)


class Gone(Exception):
    """There is no such record (any more): somebody else was faster, or it isn't a regular file."""


class Record(NamedTuple):
    """A record and its bytes: all of them, or the open file for a large one."""

    entry: Entry
    data: bytes | None
    large: Large | None


@dataclass
class Scan:
    """What a listing found; it is not whole for the storages that `failed`."""

    backlog: Backlog = field(default_factory=Backlog)
    requests: list[tuple[str, str]] = field(default_factory=list)
    strangers: int = 0
    failed: set[str] = field(default_factory=set)


class Spool:
    def __init__(self, folders: Mapping[str, Path], tell: Callable[[SpoolError], None] | None = None) -> None:
        """`tell` learns of a folder that can't be opened or listed, and the other is used all the same; without it that
        raises. Such a folder is `unlisted`, with the reason; one that isn't there counts as empty and is `missing`."""
        self._folders = dict(folders)
        self.tell = tell or _raise
        self._descriptors: dict[str, int] = {}
        self.missing: set[str] = set()
        self.unlisted: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Opens the folders that exist."""
        for storage, path in self._folders.items():
            try:
                self._descriptors[storage] = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                self.missing.add(storage)
            except OSError as error:
                self._is_unlisted(storage, error)
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    @property
    def descriptors(self) -> Mapping[str, int]:
        """The open folders by storage."""
        return self._descriptors

    @property
    def away(self) -> set[str]:
        """The storages that are configured and whose folders are not there, or can't be listed."""
        return self.missing | self.unlisted.keys()

    def path(self, member: str) -> Path:
        """Where a member is, for people to read."""
        storage, name = names.split(member)
        return self._folders[storage] / name

    def scan(self, pause: Callable[[], None]) -> Scan:
        """List both folders; `pause` is called between entries and may raise."""
        found = Scan()
        for storage, descriptor in self._descriptors.items():
            self.unlisted.pop(storage, None)
            try:
                with os.scandir(descriptor) as entries:
                    for count, entry in enumerate(entries):
                        _sort_in(entry, storage, found)
                        if not count % _OFTEN:
                            pause()
            except OSError as error:
                found.failed.add(storage)
                self._is_unlisted(storage, error)
        return found

    def look(self, member: str) -> Identity | None:
        """What the record is now, None when there is no such record."""
        storage, name = names.split(member)
        if storage not in self._descriptors:
            return None
        try:
            found = os.stat(name, dir_fd=self._descriptors[storage], follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault(self.path(member), error) from error
        return _identity(found) if stat.S_ISREG(found.st_mode) else None

    @contextmanager
    def open(self, member: str) -> Iterator[tuple[int, Identity]]:
        """A descriptor of the record, and what it is; raises `Gone`, `SpoolError`."""
        descriptor = self._open(member)
        try:
            yield descriptor, _regular(descriptor, member)
        except OSError as error:
            raise _fault(self.path(member), error) from error
        finally:
            os.close(descriptor)

    def read(self, member: str) -> Record:
        """The record, its bytes in memory unless it is larger than `LARGE`; raises `Gone`, `Unsettled`, `SpoolError`."""
        descriptor = self._open(member)
        try:
            identity = _regular(descriptor, member)
            if identity.size > LARGE:
                file = os.fdopen(os.dup(descriptor), "rb")
                return Record(Entry(member, identity), None, Large(file, identity.size, self.path(member)))
            data = os.read(descriptor, identity.size + 1)
        except OSError as error:
            raise _fault(self.path(member), error) from error
        finally:
            os.close(descriptor)
        if len(data) != identity.size:
            raise Unsettled(str(self.path(member)))
        return Record(Entry(member, identity), data, None)

    def delete(self, entry: Entry) -> bool:
        """Remove the record if it is still the same file; whether it was. Raises `SpoolError`."""
        storage, _, name = entry.member.partition("/")
        descriptor = self._descriptors.get(storage)
        if descriptor is None:
            return False
        try:
            if _identity(os.lstat(name, dir_fd=descriptor)) != entry.identity:
                return False
            os.unlink(name, dir_fd=descriptor)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _fault(self.path(entry.member), error) from error
        return True

    def unlink(self, member: str) -> bool:
        """Remove a record or a request, whatever file it is now; whether there was one. Raises `SpoolError`."""
        storage, name = names.split(member)
        try:
            os.unlink(name, dir_fd=self._descriptors[storage])
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _fault(self.path(member), error) from error
        return True

    def sync(self) -> None:
        """Make removals durable; raises `SpoolError`."""
        for storage, descriptor in self._descriptors.items():
            try:
                os.fsync(descriptor)
            except OSError as error:
                raise _fault(self._folders[storage], error) from error

    def _is_unlisted(self, storage: str, error: OSError) -> None:
        self.unlisted[storage] = error.strerror or str(error)
        self.tell(_fault(self._folders[storage], error))

    def _open(self, member: str) -> int:
        storage, _, name = member.partition("/")
        try:
            return os.open(name, _READ, dir_fd=self._descriptors[storage])
        except KeyError as error:
            raise Gone(member) from error
        except OSError as error:
            if isinstance(error, FileNotFoundError) or error.errno in _NO_RECORD:
                raise Gone(member) from error
            raise _fault(self.path(member), error) from error


def _raise(fault: SpoolError) -> None:
    raise fault


def _sort_in(entry: os.DirEntry[str], storage: str, found: Scan) -> None:
    if not entry.is_file(follow_symlinks=False):
        found.strangers += 1
    elif names.is_record(entry.name):
        found.backlog.add(storage, entry.name)
    elif names.forgotten(entry.name):
        found.requests.append((storage, entry.name))
    elif not names.is_draft(entry.name):
        found.strangers += 1


def _regular(descriptor: int, member: str) -> Identity:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise Gone(member)
    return _identity(found)


def _identity(found: os.stat_result) -> Identity:
    return Identity(found.st_ino, found.st_size, found.st_mtime_ns)


def _fault(path: Path, error: OSError) -> SpoolError:
    return SpoolError(f"{path}: {error.strerror or error}")

"""Where payloads are kept: a directory here, a bucket in `s3`. A payload is added whole and durable, or not at all.

Nothing that is there is ever written over, moved or removed.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from lightspeed_collector.ingress.draft import Draft

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIX = ".tar.gz"
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MARKS = (".intentions", ".lock-", "notifications.jsonl")  # what an ingress makes in a store that is its state as well


class StoreError(Exception):
    """The store can't take or show a payload; nothing was acknowledged."""


class PayloadError(StoreError):
    """This payload can't be read; others perhaps can."""


class Store(Protocol):
    def check(self, drafts: Path) -> None:
        """Raises `StoreError` when payloads whose drafts are in that folder could not be kept here."""

    def add(self, name: str, draft: Draft, about: Mapping[str, str]) -> bool:
        """Keep the synced draft, `about` beside it where the store can; False when the name is taken."""

    def digest(self, name: str) -> str | None:
        """The SHA-256 of what is kept under the name, in hex; None when nothing is."""

    def url(self, name: str) -> str: ...

    def names(self) -> Iterator[str]:
        """All that is kept, in the order of the names; for those who work with the store, never for HTTP.

        Raises `StoreError`, also for a folder that has never been a store.
        """

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """What is kept under the name. Raises `StoreError`, also while it is read: `PayloadError` when others may be fine."""


def open_store(place: str) -> Store:
    """`place` is a directory or s3://BUCKET/PREFIX; raises `StoreError` when that needs what is not installed."""
    if not place.startswith("s3://"):
        return Directory(Path(place))
    from lightspeed_collector.ingress import s3

    return s3.Bucket(place)


class Directory:
    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, drafts: Path) -> None:
        make_directory(self._path)
        try:
            with Draft(drafts, 0) as draft:
                trial = self._path / f".trial{draft.path.name}"
                os.link(draft.path, trial)
                trial.unlink()
        except OSError as error:
            raise StoreError(f"{drafts}: can't be linked to {self._path}: {error.strerror}") from error

    def add(self, name: str, draft: Draft, about: Mapping[str, str]) -> bool:
        """A hard link: unlike a rename it never replaces what is there."""
        with self._translated(name):
            try:
                os.link(draft.path, self._path / name, follow_symlinks=False)
            except FileExistsError:
                return False
            sync_directory(self._path)
        return True

    def digest(self, name: str) -> str | None:
        """Also makes durable what a crash may have left just linked: a repeat is acknowledged for it."""
        with self._translated(name):
            try:
                with (self._path / name).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError:
                return None
            sync_directory(self._path)
        return digest

    def names(self) -> Iterator[str]:
        with self._translated(""), os.scandir(self._path) as entries:
            files = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
        found = sorted(name for name, file in files.items() if file and _is_payload(name))
        if files and not found and not any(name.startswith(_MARKS) for name in files):
            raise StoreError(f"{self._path}: is no store of an ingress: it holds other things and no payload")
        yield from found

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            kept = _Kept(self._path / name, opener=lambda path, flags: os.open(path, flags | _SAFELY))
        except OSError as error:
            raise PayloadError(f"{self._path / name}: {error.strerror}") from error
        with io.BufferedReader(kept) as file:
            yield file

    def url(self, name: str) -> str:
        return (self._path.absolute() / name).as_uri()

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self._path / name}: {error.strerror}") from error


class _Kept(io.FileIO):
    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise PayloadError(f"{self.name}: {error.strerror}") from error


def _is_payload(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def make_directory(path: Path) -> None:
    """Make sure that `path` is a directory in which files can be made; raises `StoreError`."""
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise StoreError(f"{path}: can't be written")


def sync_directory(path: Path) -> None:
    """Make the names in it durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Writing files that are whole and durable, or absent: the steps that the spool, the secret and the switch are made of.

Everything is done relative to the descriptor of one open directory, so that a directory replaced meanwhile is never
mixed with its successor. Errors are the system's own (OSError).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


class Directory:
    """An open directory, closed when the last thread that uses it lets go of it."""

    def __init__(self, path: Path) -> None:
        self.fd = -1
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        status = os.fstat(self.fd)
        self._identity = (status.st_dev, status.st_ino)

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def is_at(self, path: Path) -> bool:
        """Whether `path` still names this directory."""
        with suppress(FileNotFoundError):
            status = os.stat(path)
            return (status.st_dev, status.st_ino) == self._identity
        return False

    def has(self, name: str) -> bool:
        return os.access(name, os.F_OK, dir_fd=self.fd, follow_symlinks=False)

    def entries(self) -> Iterator[os.DirEntry[str]]:
        """Every entry; for a directory opened for this alone, since a listing moves its descriptor's offset."""
        with os.scandir(self.fd) as entries:
            yield from entries

    def write(self, name: str, data: bytes, mode: int) -> None:
        """Create a file of exactly this mode and fsync it; FileExistsError if there is one. `sync` makes it stay."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, mode, dir_fd=self.fd)
        try:
            try:
                _fill(fd, data, mode)
            finally:
                os.close(fd)
        except BaseException:
            self.remove(name)
            raise

    def replace(self, name: str, data: bytes, mode: int) -> None:
        """Put a file in the place of the one of that name, if there is one; durable on return."""
        draft = f".{name}.{secrets.token_hex(4)}"
        self.write(draft, data, mode)
        try:
            self.rename(draft, name)
        except BaseException:
            self.remove(draft)
            raise
        self.sync()

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def link(self, old: str, new: str) -> None:
        """Unlike a rename, this never replaces: FileExistsError."""
        os.link(old, new, src_dir_fd=self.fd, dst_dir_fd=self.fd, follow_symlinks=False)

    def remove(self, name: str) -> bool:
        """Remove the file if that is possible; never raises."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self.fd)
            return True
        return False

    def sync(self) -> None:
        os.fsync(self.fd)


def make(path: Path) -> None:
    """Make the directory and its parents where they are missing, each durable in its own parent."""
    if not path.is_dir():
        make(path.parent)
        with suppress(FileExistsError):
            path.mkdir(mode=0o770)
        Directory(path.parent).sync()


def _fill(fd: int, data: bytes, mode: int) -> None:
    os.fchmod(fd, mode)  # whatever the umask
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.fsync(fd)

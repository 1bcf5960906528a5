"""A record that is too large to be held in memory: an open file, read in pieces, that must not change meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lightspeed_collector.errors import SpoolError

_PIECE = 1 << 20


class Unsettled(Exception):
    """The record changed while it was read."""


class Large:
    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        """`path` is for people."""
        self._file = file
        self._size = size
        self._path = path

    def pieces(self) -> Iterator[bytes]:
        """Exactly the `size` bytes; raises `Unsettled`, `SpoolError`."""
        left = self._size
        while left and (piece := self._read(0, min(left, _PIECE))):
            left -= len(piece)
            yield piece
        if left or self._read(0, 1):
            raise Unsettled(str(self._path))

    def edges(self, size: int) -> tuple[bytes, bytes]:
        """The first and the last `size` bytes; raises `SpoolError`."""
        first = self._read(0, size)
        last = self._read(max(0, self._size - size), size)
        self._file.seek(0)
        return first, last

    def close(self) -> None:
        self._file.close()

    def _read(self, offset: int, size: int) -> bytes:
        """`size` bytes from here, or from `offset` if that is not 0."""
        try:
            if offset:
                self._file.seek(offset)
            return self._file.read(size)
        except OSError as error:
            raise SpoolError(f"{self._path}: {error.strerror}") from error

"""Writes a gzip file and digests it on the way. The same bytes in, at the same level, are the same bytes out."""

from __future__ import annotations

import hashlib
import zlib
from typing import BinaryIO, Protocol

_CHUNK = 1 << 20
_WINDOW_AND_GZIP = 31
_ISAL_LEVELS = (1, 2, 3)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Writer:
    """`put` it bytes, then `close`; `file` stays open."""

    def __init__(self, file: BinaryIO, level: int) -> None:
        self._file = file
        self._compressor = _compressor(level)
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._digest = hashlib.sha256()
        self.written = 0

    def put(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._waiting += len(piece)
        self._pieces += pieces
        if self._waiting >= _CHUNK:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._write(self._compressor.flush())

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def _flush(self) -> None:
        self._write(self._compressor.compress(b"".join(self._pieces)))
        self._pieces.clear()
        self._waiting = 0

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self.written += len(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]


def _compressor(level: int) -> _Compressor:
    """ISA-L's deflate for the low levels: as small as zlib's and several times faster; zlib's where it is missing."""
    if level in _ISAL_LEVELS:
        try:
            from isal import isal_zlib
        except ImportError:
            return zlib.compressobj(level, zlib.DEFLATED, _WINDOW_AND_GZIP)
        quick: _Compressor = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _WINDOW_AND_GZIP)
        return quick
    return zlib.compressobj(level, zlib.DEFLATED, _WINDOW_AND_GZIP)

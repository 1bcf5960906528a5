"""Writes a gzip file and digests it on the way. The same bytes in, at the same level, are the same bytes out."""

from __future__ import annotations

import hashlib
import threading
import zlib
from queue import SimpleQueue
from typing import BinaryIO, Protocol, Self

_CHUNK = 1 << 19
_WINDOW_AND_GZIP = 31
_ISAL_LEVELS = (1, 2, 3)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Writer:
    """In a `with` block: `put` it bytes, then `close`; `file` stays open and is not written any more after the block.

    A chunk is compressed and written in a thread while the next one is gathered, so what writing raises may come one
    chunk later.
    """

    def __init__(self, file: BinaryIO, level: int) -> None:
        self._file = file
        self._compressor = _compressor(level)
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._digest = hashlib.sha256()
        self._thread = threading.Thread(target=self._work, name="compress")
        self._chunks: SimpleQueue[list[bytes] | None] = SimpleQueue()
        self._written: SimpleQueue[BaseException | None] = SimpleQueue()
        self.written = 0

    def __enter__(self) -> Self:
        self._written.put(None)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._chunks.put(None)
        self._thread.join()

    def put(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._waiting += len(piece)
        self._pieces += pieces
        if self._waiting >= _CHUNK:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._join()
        self._write(self._compressor.flush())

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def _flush(self) -> None:
        self._join()
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        self._chunks.put(pieces)

    def _join(self) -> None:
        """Wait until the last chunk has been written."""
        error = self._written.get()
        if error:
            self._written.put(error)
            raise error

    def _work(self) -> None:
        while (pieces := self._chunks.get()) is not None:
            try:
                self._write(self._compressor.compress(b"".join(pieces)))
            except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
                self._written.put(error)
            else:
                self._written.put(None)

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

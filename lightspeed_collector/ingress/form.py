"""Reads a multipart body from the socket, piece by piece: the payload goes to a draft, the metadata to memory.

The payload is the first part named `file`, else the first named `upload`, that carries a file name. The parts'
framing is RFC 7578, read by Werkzeug's decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from werkzeug.exceptions import HTTPException
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from lightspeed_collector.ingress.draft import Draft

_READ = 1 << 20
_PIECE = 1 << 16
_MAX_MEMORY = 1 << 20
_MAX_PARTS = 1000


class Broken(Exception):
    """The body is not a whole multipart form, or the connection ended within it."""


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Form:
    """`open_draft` is called for a part that may be the payload, with its content type; None from it drops the part."""

    def __init__(self, open_draft: Callable[[str], Draft | None]) -> None:
        self.content_type: str | None = None
        self.draft: Draft | None = None
        self.metadata: bytes | None = None
        self._open_draft = open_draft
        self._rank = 0
        self._take: Callable[[bytes], None] = _drop

    def read(self, stream: Stream, boundary: bytes) -> None:
        """Raises `Broken`, and OSError when a draft can't be written."""
        for event in _events(stream, boundary):
            if isinstance(event, Data):
                self._take(event.data)
            elif isinstance(event, (File, Field)):
                self._take = self._begin(event)

    def _begin(self, part: File | Field) -> Callable[[bytes], None]:
        if part.name == "metadata" and self.metadata is None:
            self.metadata = b""
            return self._add_metadata
        rank = {"upload": 1, "file": 2}.get(part.name, 0)
        if rank > self._rank and isinstance(part, File) and part.filename:
            self._rank = rank
            self.content_type = part.headers.get("content-type", "")
            self.draft = self._open_draft(self.content_type)
            return self.draft.write if self.draft else _drop
        return _drop

    def _add_metadata(self, piece: bytes) -> None:
        self.metadata = (self.metadata or b"") + piece
        if len(self.metadata) > _MAX_MEMORY:
            raise Broken


def _drop(piece: bytes) -> None:
    pass


def _events(stream: Stream, boundary: bytes) -> Iterator[Event]:
    decoder = MultipartDecoder(boundary, _MAX_MEMORY + _PIECE, max_parts=_MAX_PARTS)
    try:
        for piece in _pieces(stream):
            decoder.receive_data(piece)
            while not isinstance(event := decoder.next_event(), (NeedData, Epilogue)):
                yield event
    except (ValueError, HTTPException) as error:
        raise Broken from error


def _pieces(stream: Stream) -> Iterator[bytes | None]:
    """The body in pieces, then None. The server likes large reads, the decoder small pieces."""
    while data := _read(stream):
        for at in range(0, len(data), _PIECE):
            yield data[at : at + _PIECE]
    yield None


def _read(stream: Stream) -> bytes:
    """Like read(2); whatever the server raises for a connection that ends early means a broken body."""
    try:
        return stream.read(_READ)
    except Exception as error:
        raise Broken from error

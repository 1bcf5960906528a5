"""Checks an archive while it passes by: gzip and tar sound to the end, only records inside, each under a proper name.

It is fed pieces of any size, keeps no more than one header and one window of what it inflates, and writes nothing.
The tar format is POSIX.1-2017 pax (ustar with extended headers) and GNU tar's long names; a record's name is that of
the spool, version 1.
"""

from __future__ import annotations

import re
import zlib

from isal import isal_zlib
from isal.igzip_lib import IsalError

_NAME = r"(transcripts|feedback)/([0-9]{8}T[0-9]{6}\.[0-9]{6}Z_[A-Za-z0-9][A-Za-z0-9-]{0,63}_[0-9a-f]{8}\.json)"
MEMBER = re.compile(_NAME, re.ASCII)

# A header as the collector writes it: name, mode and owner, size, time, checksum, regular file, link, magic, no prefix.
_PLAIN = re.compile(rb"(?s)(?=%s\0).{124}([0-7]{11})\0.{12}([0-7]{6}\0 )0.{188}\0" % _NAME.encode())
_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_WINDOW = 1 << 16
_GZIP = 31
_EXTENSION_LIMIT = 1 << 16
_ADLER_PRIME = 65521
_BLANKS = sum(b" " * 8)


class Malformed(Exception):
    """The archive can't be read or holds something else than records; the message says what."""


class Checker:
    """`feed` it the archive, then `finish`; both raise `Malformed`. `max_bytes` bounds what it may inflate to."""

    def __init__(self, max_bytes: int) -> None:
        self.records = 0
        self._left = max_bytes
        self._inflater = isal_zlib.decompressobj(wbits=_GZIP)
        self._held = b""
        self._skip = 0
        self._ended = False
        self._long_name: str | None = None

    def feed(self, piece: bytes) -> None:
        try:
            while piece:
                if self._inflater.eof:
                    self._inflater = isal_zlib.decompressobj(wbits=_GZIP)
                self._walk(self._inflater.decompress(piece, _WINDOW))
                piece = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        except IsalError as error:  # type: ignore[misc]  # isal's stub declares an instance, not a class
            raise Malformed(f"it is not sound gzip: {error}") from None

    def finish(self) -> int:
        """The number of records."""
        while not self._inflater.eof and (rest := self._inflater.decompress(b"", _WINDOW)):
            self._walk(rest)
        if not self._inflater.eof or not self._ended or self._held or self._skip:
            raise Malformed("it is cut short")
        return self.records

    def _walk(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise Malformed("it inflates to more than is reasonable")
        at = min(self._skip, len(data))
        self._skip -= at
        if self._held:
            data, at, self._held = self._held + data[at:], 0, b""
        while at + _BLOCK <= len(data):
            length = self._entry(data, at)
            if length is None:
                break
            at += length
        self._skip = self._skip or max(0, at - len(data))
        self._held = data[at:]

    def _entry(self, data: bytes, at: int) -> int | None:
        """The length of the entry whose header is at `at`, None when more of it is needed to judge it."""
        plain = _PLAIN.match(data, at)
        if plain and not self._ended and not self._long_name:
            self.records += 1
            return _length(_checked(data[at : at + _BLOCK], plain[4], plain[3]))
        header = data[at : at + _BLOCK]
        if header == _ZEROS:
            self._ended = True
            return _BLOCK
        if self._ended:
            raise Malformed("something follows its end")
        size = _checked(header, header[148:156], header[124:136])
        length = _length(size)
        kind = header[156:157]
        if kind in (b"x", b"L"):
            if size > _EXTENSION_LIMIT:
                raise Malformed("an extended header is too long")
            if at + length > len(data):
                return None
            self._extend(kind, data[at + _BLOCK : at + _BLOCK + size])
        else:
            self._member(kind, header)
        return length

    def _extend(self, kind: bytes, content: bytes) -> None:
        if kind == b"L":
            self._long_name = _text(content.rstrip(b"\0"))
            return
        values = _pax(content)
        if b"size" in values or any(key.startswith(b"GNU.sparse") for key in values):
            raise Malformed("a record is too large or sparse")
        if b"path" in values:
            self._long_name = _text(values[b"path"])

    def _member(self, kind: bytes, header: bytes) -> None:
        name, self._long_name = self._long_name or _name(header), None
        if kind not in (b"0", b"\0"):
            raise Malformed(f"{name[:300]!r} is not a regular file")
        if not MEMBER.fullmatch(name):
            raise Malformed(f"{name[:300]!r} is not the name of a record")
        self.records += 1


def _checked(header: bytes, checksum_field: bytes, size_field: bytes) -> int:
    """The size in a header whose checksum is right.

    The checksum counts its own field as blanks. The low half of Adler-32 (RFC 1950) is one plus the sum of the bytes,
    modulo 65521: a sum at C's speed.
    """
    try:
        checksum, size = int(checksum_field.rstrip(b" \0"), 8), int(size_field.rstrip(b" \0"), 8)
    except ValueError:
        raise Malformed("it is not a tar archive") from None
    total = (zlib.adler32(header) & 0xFFFF) - 1 - sum(header[148:156]) + _BLANKS
    if (total - checksum) % _ADLER_PRIME or checksum < 0 or size < 0:
        raise Malformed("it is not a tar archive")
    return size


def _length(size: int) -> int:
    """Of an entry in the archive, header and padding included."""
    return _BLOCK + -(-size // _BLOCK) * _BLOCK


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _pax(content: bytes) -> dict[bytes, bytes]:
    """The records `LENGTH KEY=VALUE\\n` of an extended header."""
    values = {}
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not len(length) < int(length) <= len(content):
            raise Malformed("an extended header can't be read")
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        values[key] = value
        content = content[int(length) :]
    return values

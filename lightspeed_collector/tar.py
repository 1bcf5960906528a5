"""The headers of a tar archive (POSIX.1-1988 ustar), made for records: owner, mode and kind are always the same.

Much quicker than tarfile, which stays for what ustar can't hold (a name over 100 bytes, a time before 1970).
"""

from __future__ import annotations

import zlib

BLOCK = 512
END = bytes(2 * BLOCK)

_NAME_BYTES = 100
_LARGEST = 8**11 - 1
_HEAD = b"%b0000640\0000000000\0000000000\0%011o\0%011o\0"
_TAIL = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
_BLANK_CHECKSUM = b"        "


def header(member: str, size: int, mtime: int) -> bytes:
    """The header of a file of `size` bytes, last changed `mtime` seconds after 1970."""
    name = member.encode("ascii")
    if len(name) > _NAME_BYTES or not 0 <= mtime <= _LARGEST or size > _LARGEST:
        return _extended(member, size, max(0, mtime))
    head = _HEAD % (name.ljust(_NAME_BYTES, b"\0"), size, mtime)
    # The low half of Adler-32 (RFC 1950) is one more than the sum of the bytes; that of a header is far below its modulus.
    checksum = (zlib.adler32(head + _BLANK_CHECKSUM + _TAIL) & 0xFFFF) - 1
    return b"%b%06o\0 %b" % (head, checksum, _TAIL)


def padding(size: int) -> bytes:
    """What fills the last block of a file of `size` bytes."""
    return bytes(-size % BLOCK)


def _extended(member: str, size: int, mtime: int) -> bytes:
    import tarfile

    info = tarfile.TarInfo(member)
    info.size, info.mtime, info.mode = size, mtime, 0o640
    return info.tobuf(tarfile.PAX_FORMAT)

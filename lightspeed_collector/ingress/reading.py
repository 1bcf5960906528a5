"""Reads the records out of a payload, one at a time, whatever else may be in it.

A name is taken only when it is a record's, a member only when it is a plain file of a sane size; the rest is a fault.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from gzip import BadGzipFile
from typing import IO, NamedTuple

from isal import igzip
from isal.igzip_lib import IsalError

from lightspeed_collector.ingress.payload import MEMBER

_MAX_RECORD = 128 << 20
_UNREADABLE = (tarfile.TarError, BadGzipFile, IsalError, EOFError, ValueError, OverflowError)


class Record(NamedTuple):
    """`kind` is `transcripts` or `feedback`."""

    kind: str
    name: str
    content: bytes


def records(file: IO[bytes], fault: Callable[[str], None]) -> Iterator[Record]:
    """`fault` is told of everything in the archive that is no record; of a damaged one, what comes before is given."""
    try:
        unzipped: IO[bytes] = igzip.open(file, "rb")  # type: ignore[no-untyped-call]  # isal's stubs leave it out
        with unzipped, tarfile.open(fileobj=unzipped, mode="r|") as archive:
            for member in archive:
                record = _record(archive, member, fault)
                archive.members.clear()  # type: ignore[attr-defined]  # typeshed leaves out where tarfile keeps all headers
                if record:
                    yield record
    except _UNREADABLE as error:  # type: ignore[misc]  # isal's stub declares IsalError an instance, not a class
        fault(f"can't be read to its end: {error}")


def _record(archive: tarfile.TarFile, member: tarfile.TarInfo, fault: Callable[[str], None]) -> Record | None:
    match = MEMBER.fullmatch(member.name)
    if not match:
        fault(f"{member.name[:300]!r} is not the name of a record")
    elif member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        fault(f"{member.name} is not a regular file")
    elif member.size > _MAX_RECORD:
        fault(f"{member.name} is too large for a record")
    else:
        content = archive.extractfile(member)
        return Record(match[1], match[2], content.read() if content else b"")
    return None

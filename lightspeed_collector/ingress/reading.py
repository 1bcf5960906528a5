"""Reads the records out of a payload, one at a time and each in pieces, whatever else may be in it.

A name is taken only when it is a record's, a member only when it is a plain file; the rest is a fault.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from typing import IO, NamedTuple

from isal import igzip
from isal.igzip_lib import IsalError

from lightspeed_collector.ingress.payload import MEMBER

_PIECE = 1 << 20
_UNSOUND = (tarfile.TarError, BadGzipFile, IsalError, EOFError, ValueError, OverflowError)


class Unsound(Exception):
    """The archive is damaged; what came before is good."""


class Record(NamedTuple):
    """`kind` is `transcripts` or `feedback`; `pieces` are gone when the next record is asked for."""

    kind: str
    name: str
    size: int
    pieces: Iterable[bytes]


def records(file: IO[bytes], fault: Callable[[str], None]) -> Iterator[Record]:
    """`fault` is told of everything in the archive that is no record. Raises `Unsound`, as do the pieces."""
    with _translated():
        unzipped: IO[bytes] = igzip.open(file, "rb")  # type: ignore[no-untyped-call]  # isal's stubs leave it out
        with unzipped, tarfile.open(fileobj=unzipped, mode="r|") as archive:
            for member in archive:
                record = _record(archive, member, fault)
                archive.members.clear()  # type: ignore[attr-defined]  # typeshed leaves out where tarfile keeps all headers
                if record:
                    yield record


def _record(archive: tarfile.TarFile, member: tarfile.TarInfo, fault: Callable[[str], None]) -> Record | None:
    match = MEMBER.fullmatch(member.name)
    if not match:
        fault(f"{member.name[:300]!r} is not the name of a record")
    elif member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        fault(f"{member.name} is not a regular file")
    else:
        return Record(match[1], match[2], member.size, _pieces(archive, member))
    return None


def _pieces(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    with _translated():
        content = archive.extractfile(member)
        while content and (piece := content.read(_PIECE)):
            yield piece


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _UNSOUND as error:  # type: ignore[misc]  # isal's stub declares IsalError an instance, not a class
        raise Unsound(f"can't be read to its end: {error}") from error

"""Finds out from the archives on the disk what was claimed, when the ledger that knew is lost.

An archive may have been sent. What it holds and the spool still has, byte for byte, is claimed again under the same id,
so that the repeat is known for one.
"""

from __future__ import annotations

import hashlib
import logging
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, TypeAlias

from lightspeed_collector import names
from lightspeed_collector.archive import Archives, is_lost
from lightspeed_collector.batch import FROM_ARCHIVE, Batch, Identity
from lightspeed_collector.errors import Error, SpoolError, StateError
from lightspeed_collector.large import Unsettled
from lightspeed_collector.ledger import Ledger
from lightspeed_collector.spool import Gone, Spool

log = logging.getLogger(__name__)

Identify: TypeAlias = Callable[[tarfile.TarInfo, IO[bytes]], Identity]
_NOBODY = Identity(FROM_ARCHIVE, -1, 0)


def adopt(archives: Archives, spool: Spool, ledger: Ledger) -> None:
    """Claim every sound archive that the new ledger doesn't know; the others were never sent and are orphans.

    Raises `SpoolError` and `StateError` while an archive, or what it was made of, can't be looked at: its records could not be
    recognised, and would be sent again.
    """
    for batch_id in _unknown(archives, ledger):
        batch = _read(batch_id, archives.path(batch_id), partial(_identity, spool))
        if batch:
            log.warning("batch %s may have been sent: it is sent again under the same id", batch_id)
            ledger.claim(batch, time.time())


def members(archives: Archives, ledger: Ledger) -> tuple[set[str], bool]:
    """The names of what would be adopted, and whether these are all: some archives can't be looked at, perhaps."""
    found: set[str] = set()
    whole = True
    for batch_id in _unknown(archives, ledger):
        try:
            batch = _read(batch_id, archives.path(batch_id), lambda *_: _NOBODY)
            found.update(batch.members if batch else ())
        except StateError:
            whole = False
    return found, whole


def _unknown(archives: Archives, ledger: Ledger) -> Iterator[str]:
    return (batch_id for batch_id in archives.ids() if not ledger.knows(batch_id))


def _read(batch_id: str, path: Path, identify: Identify) -> Batch | None:
    """None for what is no sound archive."""
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        members = _members(path, identify) if sha256.startswith(batch_id) else {}
    except OSError as error:
        if is_lost(error):
            return None
        raise StateError(f"{path}: {error.strerror}: it may have been sent, so nothing is sent before it") from error
    return Batch(batch_id, sha256, size, tuple(members), tuple(members.values())) if members else None


def _members(path: Path, identify: Identify) -> dict[str, Identity]:
    """What the archive holds; nothing when it is damaged."""
    found: dict[str, Identity] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                if not names.is_record(names.split(member.name)[1]):
                    return {}
                found[member.name] = identify(member, archive.extractfile(member) or BytesIO())
    except (Error, MemoryError):
        raise
    except Exception as error:  # damage shows itself in many ways
        if isinstance(error, OSError) and error.errno:
            raise
        return {}
    return found


def _identity(spool: Spool, member: tarfile.TarInfo, content: IO[bytes]) -> Identity:
    """What the record is in the spool if it is the one archived, or what the archive says of one that is not there."""
    storage = names.split(member.name)[0]
    if storage in spool.away:
        raise SpoolError(f"the ledger is new, and archives may have been sent: nothing is sent while {storage} is away")
    try:
        record = spool.read(member.name)
        with closing(record.large) if record.large else nullcontext():
            pieces = record.large.pieces() if record.large else iter((record.data or b"",))
            same = all(content.read(len(piece)) == piece for piece in pieces) and not content.read(1)
    except Gone:
        return Identity(FROM_ARCHIVE, member.size, int(member.mtime) * 1_000_000_000)
    except Unsettled as error:
        raise SpoolError(
            f"{spool.path(member.name)}: being written, and perhaps sent before: nothing is sent"
        ) from error
    return record.entry.identity if same else _NOBODY

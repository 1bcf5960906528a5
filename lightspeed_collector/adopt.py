"""Finds out from the archives on the disk what was claimed, when the ledger that knew is lost.

An archive may have been sent. What it holds and the spool still has, byte for byte, is claimed again under the same id,
so that the repeat is known for one.
"""

from __future__ import annotations

import hashlib
import logging
import tarfile
import time
from contextlib import closing, nullcontext
from io import BytesIO
from pathlib import Path
from typing import IO

from lightspeed_collector import names
from lightspeed_collector.archive import Archives
from lightspeed_collector.batch import Batch, Identity
from lightspeed_collector.errors import SpoolError
from lightspeed_collector.large import Unsettled
from lightspeed_collector.ledger import Ledger
from lightspeed_collector.spool import Gone, Spool

log = logging.getLogger(__name__)

_NOBODY = Identity(0, 0, 0)


def adopt(archives: Archives, spool: Spool, ledger: Ledger) -> None:
    """Claim every sound archive that the new ledger doesn't know; the others were never sent and are orphans.

    Raises `SpoolError` while a folder is away: its records could not be recognised, and would be sent again.
    """
    if spool.away:
        away = ", ".join(sorted(spool.away))
        raise SpoolError(
            f"the ledger is new, and archives may have been sent: nothing is sent while folders are away: {away}"
        )
    for batch_id in archives.ids():
        if ledger.knows(batch_id):
            continue
        batch = _read(batch_id, archives.path(batch_id), spool)
        if batch:
            log.warning("batch %s may have been sent: it is sent again under the same id", batch_id)
            ledger.claim(batch, time.time())


def _read(batch_id: str, path: Path, spool: Spool) -> Batch | None:
    members: dict[str, Identity] = {}
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                if not names.is_record(names.split(member.name)[1]):
                    return None
                members[member.name] = _same(member.name, archive.extractfile(member) or BytesIO(), spool)
        if not sha256.startswith(batch_id):
            return None
        return Batch(batch_id, sha256, path.stat().st_size, tuple(members), tuple(members.values()))
    except Exception:  # noqa: BLE001 - damage shows itself in many ways
        return None


def _same(member: str, content: IO[bytes], spool: Spool) -> Identity:
    """What the record is in the spool if it is the one archived, else nobody's identity."""
    try:
        record = spool.read(member)
        with closing(record.large) if record.large else nullcontext():
            pieces = record.large.pieces() if record.large else iter((record.data or b"",))
            same = all(content.read(len(piece)) == piece for piece in pieces) and not content.read(1)
    except (Gone, Unsettled, SpoolError):
        return _NOBODY
    return record.entry.identity if same else _NOBODY

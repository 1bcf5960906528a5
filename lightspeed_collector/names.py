"""What the names in a spool say: which are records, how old they are, whose conversation they belong to.

Version 1 of the spool's contract (SPOOL.md of the writer). A *member* is `STORAGE/NAME`, as in the archives.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

TRANSCRIPTS = "transcripts"
FEEDBACK = "feedback"

_RECORD = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z_[A-Za-z0-9][A-Za-z0-9-]{0,63}_[0-9a-f]{8}\.json")
_FORGET = re.compile(r"\.forget_([A-Za-z0-9][A-Za-z0-9-]{0,63})_[0-9a-f]{8}")

is_record = _RECORD.fullmatch


def is_draft(name: str) -> bool:
    return name.startswith(".") and is_record(name[1:]) is not None


def forgotten(name: str) -> str | None:
    """The conversation that a request of this name wants forgotten, None when it is no such name."""
    match = _FORGET.fullmatch(name)
    return match[1] if match else None


def conversation(name: str) -> str:
    """The conversation in a record's name."""
    return name.split("_")[1]


def written_at(name: str) -> float | None:
    """Seconds since the epoch, None for a date that no calendar has."""
    try:
        return datetime.strptime(name[:23], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def split(member: str) -> tuple[str, str]:
    """Storage and name of a member."""
    storage, _, name = member.partition("/")
    return storage, name

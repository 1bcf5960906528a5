"""How records become batches: how many fit, and what a refusal for size teaches. Values only, no input or output."""

from __future__ import annotations

from typing import NamedTuple

from lightspeed_collector.tar import BLOCK

MAX_RECORDS = 10_000
OVERHEAD = 4096
FROM_ARCHIVE = 0
_SECOND_NS = 1_000_000_000


class Identity(NamedTuple):
    """A file is the same as long as none of these changes. The device is none of them: a restart may give it another number."""

    inode: int
    size: int
    mtime_ns: int

    def is_of_a_copy(self, other: Identity) -> bool:
        """Whether the other file is this one, or a copy that kept its time. What is known from an archive only has whole seconds."""
        if self.inode == FROM_ARCHIVE:
            return (self.size, self.mtime_ns // _SECOND_NS) == (other.size, other.mtime_ns // _SECOND_NS)
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)


class Batch(NamedTuple):
    """Records that travel together. `id` is made of the archive's digest: the same bytes are the same batch."""

    id: str
    sha256: str
    archive_bytes: int
    members: tuple[str, ...]
    identities: tuple[Identity, ...]


class Room:
    """How much the next batch may take.

    Sizes are counted as they stand in a tar archive, uncompressed: compression can only leave more room, so a batch of
    several records never exceeds `max_bytes`. The first record always fits; whether it alone is too large is for its
    archive to tell.
    """

    def __init__(self, max_bytes: int, max_records: int = MAX_RECORDS) -> None:
        self._max_bytes = max_bytes - max_bytes // 1000 - OVERHEAD
        self._max_records = max_records
        self._limit = max_records
        self.empty()

    def empty(self) -> None:
        """Begin the next batch."""
        self._records = 0
        self._bytes = 0

    def admits(self, size: int) -> bool:
        """Whether a record of `size` bytes still fits; if so its place is taken."""
        wanted = self._bytes + stored_bytes(size)
        if self._records and (wanted > self._max_bytes or self._records >= self._limit):
            return False
        self._records += 1
        self._bytes = wanted
        return True

    def narrow(self, records: int) -> None:
        """From now on at most so many records in a batch."""
        self._limit = max(1, records)

    def widen(self) -> None:
        """As many records as at the start."""
        self._limit = self._max_records


def stored_bytes(size: int) -> int:
    """What a record of `size` bytes takes in a tar archive: its header and whole blocks."""
    return BLOCK + -(-size // BLOCK) * BLOCK

"""Which records have to go when the spool's limits are reached: the oldest first. Values only, no input or output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lightspeed_collector import names
from lightspeed_collector.age import Span
from lightspeed_collector.batch import Identity


class Entry(NamedTuple):
    """A record as a look at it showed it."""

    member: str
    identity: Identity


class Surplus(NamedTuple):
    entry: Entry
    reason: str


class Limits(NamedTuple):
    """None is no limit; `too_old` is what age alone condemns."""

    max_bytes: int | None
    too_old: Span | None


def surplus(entries: Iterable[Entry], total: int, limits: Limits) -> Iterator[Surplus]:
    """Those of `entries` (oldest first, `total` bytes together) that exceed the limits, each with the reason."""
    first, last = limits.too_old or Span(0.0, 0.0)
    for entry in entries:
        written = names.written_at(names.split(entry.member)[1])
        if written is not None and first <= written < last:
            reason = "max_record_age"
        elif limits.max_bytes is not None and total > limits.max_bytes:
            reason = "max_spool_bytes"
        elif written is None or written < first:
            continue
        else:
            return
        total -= entry.identity.size
        yield Surplus(entry, reason)

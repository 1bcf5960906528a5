"""`run --dry-run`: the batches that would be sent, and where to. It changes nothing, locks nothing and sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from lightspeed_collector.batch import Room
from lightspeed_collector.config import Config
from lightspeed_collector.database import Database
from lightspeed_collector.ledger import Ledger
from lightspeed_collector.report import Report
from lightspeed_collector.retention import Entry
from lightspeed_collector.sent import Sent
from lightspeed_collector.spool import Spool
from lightspeed_collector.state import State
from lightspeed_collector.stop import Stop
from lightspeed_collector.waiting import Waiting


@dataclass(frozen=True)
class Planned:
    """A batch as it would be; `id` is known only for one that was claimed before."""

    id: str | None
    records: int
    bytes: int
    first: str
    last: str


def plan(config: Config, report: Report, stop: Stop) -> list[Planned]:
    """In the order of sending; raises `StateError`, `SpoolError`, `Stopped`."""
    state = State(config.data_collector.state_dir)
    with closing(Database.reader(state.ledger)) as database, Spool(config.folders, report.problem) as spool:
        claimed = Ledger(database).claimed()
        taken = {member for batch in claimed for member in batch.members}
        waiting = Waiting(spool, Sent(database, spool), stop)
        fresh = (entry for entry in waiting if entry.member not in taken)
        again = [list(map(Entry, batch.members, batch.identities)) for batch in claimed]
        planned = [_planned(batch.id, entries) for batch, entries in zip(claimed, again, strict=True)]
        planned += [_planned(None, entries) for entries in _cut(fresh, Room(config.data_collector.max_archive_bytes))]
    report.left = sum(batch.records for batch in planned)
    return planned


def lines(planned: list[Planned], config: Config) -> Iterator[str]:
    """The same for people."""
    for number, batch in enumerate(planned, 1):
        again = f", sent again as {batch.id}" if batch.id else ""
        yield f"batch {number}: {batch.records} records, {batch.bytes} bytes{again}"
        yield f"  from {batch.first}"
        yield f"  to   {batch.last}"
    where = config.data_collector.ingress_server_url or "no ingress_server_url"
    off = "" if config.data_collector.enabled else " if the collector were enabled"
    yield f"would send {sum(batch.records for batch in planned)} records in {len(planned)} batches to {where}{off}"


def _cut(entries: Iterable[Entry], room: Room) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in entries:
        if not room.admits(entry.identity.size):
            yield batch
            batch = []
            room.empty()
            room.admits(entry.identity.size)
        batch.append(entry)
    if batch:
        yield batch


def _planned(batch_id: str | None, entries: list[Entry]) -> Planned:
    size = sum(entry.identity.size for entry in entries)
    return Planned(batch_id, len(entries), size, entries[0].member, entries[-1].member)

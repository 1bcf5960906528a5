"""`run --dry-run`: what a run would send, set aside and forget. It changes nothing, locks nothing and sends nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from lightspeed_collector import backoff, intake, names
from lightspeed_collector.batch import Room
from lightspeed_collector.config import Config
from lightspeed_collector.database import Database
from lightspeed_collector.errors import SpoolError, StateError
from lightspeed_collector.forget import Key, key
from lightspeed_collector.large import Unsettled
from lightspeed_collector.ledger import Ledger
from lightspeed_collector.quarantine import Quarantine
from lightspeed_collector.report import Report
from lightspeed_collector.retention import Entry
from lightspeed_collector.sent import Sent
from lightspeed_collector.spool import Gone, Spool
from lightspeed_collector.state import State
from lightspeed_collector.stop import Stop
from lightspeed_collector.unfinished import halfway


@dataclass(frozen=True)
class Planned:
    """A batch as it would be; `id` is known only for one that was claimed before."""

    id: str | None
    records: int
    bytes: int
    first: str
    last: str


@dataclass(frozen=True)
class Unfit:
    """A record that would be set aside, and why."""

    member: str
    reason: str


@dataclass
class Plan:
    """`would_forget` counts records that a request covers; nothing is sent before `held_until`."""

    would_send: list[Planned] = field(default_factory=list)
    would_quarantine: list[Unfit] = field(default_factory=list)
    would_forget: int = 0
    held_until: float | None = None


def plan(config: Config, report: Report, stop: Stop, now: float) -> Plan:
    """Batches are in the order of sending; raises `StateError`, `LedgerCorrupt`, `Stopped`."""
    state = State(config.data_collector.state_dir)
    with closing(Database.reader(state.ledger)) as database, Spool(config.folders, report.problem) as spool:
        ledger = Ledger(database)
        made = Plan(held_until=ledger.held_until(now, config.data_collector.ingress_server_url or ""))
        claimed = ledger.claimed()
        made.would_send += [_planned(one.id, list(map(Entry, one.members, one.identities))) for one in claimed]
        taken = {member for batch in claimed + ledger.accepted() for member in batch.members}
        made.would_quarantine += _halfway(Quarantine(state.quarantine), spool, report)
        taken |= {unfit.member for unfit in made.would_quarantine}
        fresh = _sound(_waiting(spool, Sent(database, spool), taken, made, stop), spool, made, report)
        room = Room(config.data_collector.max_archive_bytes)
        made.would_send += [_planned(None, entries) for entries in _cut(fresh, room)]
        report.left = None if spool.unlisted else sum(batch.records for batch in made.would_send)
    return made


def lines(found: Plan, config: Config) -> Iterator[str]:
    """The same for people."""
    for number, batch in enumerate(found.would_send, 1):
        again = f", sent again as {batch.id}" if batch.id else ""
        yield f"batch {number}: {batch.records} records, {batch.bytes} bytes{again}"
        yield f"  from {batch.first}"
        yield f"  to   {batch.last}"
    yield from (f"would quarantine {unfit.member}: {unfit.reason}" for unfit in found.would_quarantine)
    if found.would_forget:
        yield f"would forget {found.would_forget} records, on request"
    where = config.data_collector.ingress_server_url or "no ingress_server_url"
    off = "" if config.data_collector.enabled else " if the collector were enabled"
    held = f", not before {backoff.at(found.held_until)}: the ingress asked for peace" if found.held_until else ""
    records = sum(batch.records for batch in found.would_send)
    yield f"would send {records} records in {len(found.would_send)} batches to {where}{off}{held}"


def _halfway(quarantine: Quarantine, spool: Spool, report: Report) -> Iterator[Unfit]:
    """Records whose move into the quarantine was cut short."""
    for held in quarantine.held():
        try:
            if not held.releasing and names.split(held.member)[0] in spool.descriptors and halfway(held, spool):
                yield Unfit(held.member, held.reason)
        except (StateError, SpoolError) as error:
            report.problem(error)


def _waiting(spool: Spool, sent: Sent, taken: Collection[str], made: Plan, stop: Stop) -> Iterator[str]:
    """What was neither sent nor `taken` into a batch, but what a request covers; nothing of a folder that can't be listed to its end."""
    found = spool.scan(stop.check)
    unwanted: Collection[Key] = {(storage, names.forgotten(name)) for storage, name in found.requests}
    for member in sent.unsent(found.backlog):
        stop.check()
        if member in taken:
            continue
        if key(member) in unwanted:
            made.would_forget += 1
        elif names.split(member)[0] not in found.failed:
            yield member


def _sound(members: Iterable[str], spool: Spool, made: Plan, report: Report) -> Iterator[Entry]:
    """Those that a run could archive."""
    for member in members:
        try:
            found, fault = intake.examine(spool, member)
        except (Gone, Unsettled):
            continue
        except SpoolError as error:
            report.problem(error)
            continue
        if fault is None:
            if found.large:
                found.large.close()
            yield found.entry
        elif not intake.may_be_unfinished(spool, found.entry):
            made.would_quarantine.append(Unfit(member, fault))


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

"""What a soak left behind, compared with what was acknowledged: each figure of the closing table, and the verdict."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.actors import Runs, SoakedIngress, SoakedStack, User, Writers
from tests.soak.proxy import TAKEN, Seen
from tests.soak.writer import KINDS, digest, is_whole

_ENOUGH = 1_000_000
_SHOWN = 40
_REFUSALS = (400, 413)
_FAULT = re.compile(r"Traceback|internal error")


@dataclass
class Evidence:
    """`set_aside` is the quarantine's list at the end of the faults."""

    folder: Path
    journal: list[Seen]
    writers: Writers
    user: User
    stack: SoakedStack
    runs: Runs
    ingress: SoakedIngress
    set_aside: list[dict[str, str]]


@dataclass
class Table:
    """`must` are the figures that have to be 0."""

    rows: list[tuple[str, object]] = field(default_factory=list)
    must: dict[str, int] = field(default_factory=dict)

    def say(self, text: str, value: object) -> None:
        self.rows.append((text, value))

    def zero(self, text: str, value: int) -> None:
        self.must[text] = value
        self.say(text, f"{value}{'' if value == 0 else '   <--'}")

    @property
    def passed(self) -> bool:
        return not any(self.must.values())

    def __str__(self) -> str:
        width = max(len(text) for text, _ in self.rows)
        return "\n".join(f"{text:<{width}}  {value}" for text, value in self.rows)


def audit(found: Evidence) -> Table:
    table = Table()
    payloads = _payloads(found.ingress.store)
    unpacked = _unpacked(found)
    _about_disturbances(found, table)
    _about_records(found, unpacked, table)
    _about_payloads(found, payloads, table)
    _about_repeats(found, payloads, table)
    _about_quarantine(found, table)
    _about_leftovers(found, table)
    return table


def _about_disturbances(found: Evidence, table: Table) -> None:
    faults = Counter(seen.fault for seen in found.journal if seen.fault)
    table.say("uploads, of these met by a fault", f"{len(found.journal)}, {faults.total()}")
    table.say("different faults met", len(faults))
    actors = (found.writers, found.stack, found.runs, found.ingress)
    table.say("kill -9 of " + ", ".join(one.name for one in actors), ", ".join(str(len(one.kills)) for one in actors))
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(found.runs.statuses.items()))
    table.say("runs by exit status", statuses)


def _about_records(found: Evidence, unpacked: dict[str, bytes], table: Table) -> None:
    acknowledged = found.writers.acknowledged
    mine = {member: data for member, data in unpacked.items() if b'"check"' in data[:20]}
    lost = [member for member, sha256 in acknowledged.items() if digest(unpacked.get(member, b"")) != sha256]
    texts = Counter(map(_text, (data for member, data in unpacked.items() if member not in mine)))
    table.say("records acknowledged by the spool", len(acknowledged))
    table.say("records acknowledged over HTTP", len(found.user.acknowledged))
    table.zero("acknowledged, lost or changed", len(lost) + sum(not texts[text] for text in found.user.acknowledged))
    more = [data for member, data in mine.items() if member not in acknowledged]
    table.say(
        "stored before a kill kept the acknowledgement back", len(more) + len(set(texts) - found.user.acknowledged)
    )
    table.zero("of these not whole", sum(not is_whole(data) for data in more))
    table.zero("nobody's", len(set(texts) - found.user.asked))
    table.zero("asked once, recorded twice", sum(count > 1 for count in texts.values()))


def _text(data: bytes) -> str:
    record: dict[str, Any] = json.loads(data)
    return str(record.get("user_feedback") or record.get("redacted_query"))


def _about_payloads(found: Evidence, payloads: dict[str, list[str]], table: Table) -> None:
    receipts = {one["batch_id"] for one in _history(found)["deliveries"]}
    notices = Counter(json.loads(line)["batch_id"] for line in _lines(found.ingress.store / "notifications.jsonl"))
    table.say("payloads at the ingress", len(payloads))
    table.zero("receipts without their payload", len(receipts - set(payloads)))
    divided = {batch for batch in set(payloads) - receipts if _was_divided(batch, found.journal)}
    table.say("payloads taken, their acceptance lost, then refused and divided", len(divided))
    table.zero("payloads without a receipt, unexplained", len(set(payloads) - receipts - divided))
    table.zero("payloads not notified once", sum(notices[batch] != 1 for batch in payloads))
    table.zero("other bytes under a known batch id", sum(batch.count(".") > 0 for batch in payloads))


def _was_divided(batch: str, journal: list[Seen]) -> bool:
    """It was refused as too large or malformed after an upload that the ingress may have taken and nobody could tell."""
    seen = sorted((one for one in journal if one.batch == batch), key=lambda one: one.began)
    return len(seen) > 1 and seen[-1].told in _REFUSALS


def _about_repeats(found: Evidence, payloads: dict[str, list[str]], table: Table) -> None:
    taken = Counter(seen.batch for seen in found.journal if seen.kept in TAKEN)
    table.say("uploads repeated and recognised (same id, same bytes)", sum(taken.values()) - len(taken))
    table.zero("uploads repeated though their acceptance had been told", _needless(found))
    where = defaultdict(list)
    for batch, members in payloads.items():
        for member in members:
            where[member].append(batch)
    twice = {member: batches for member, batches in where.items() if len(batches) > 1}
    explained = [
        member
        for member, batches in twice.items()
        if sum(not _was_divided(batch, found.journal) for batch in batches) <= 1
    ]
    table.say("records in two payloads, the first divided; unpack gives one", len(explained))
    table.zero("records in two payloads, unexplained", len(twice) - len(explained))


def _needless(found: Evidence) -> int:
    """Uploads of a batch after an acceptance that was heard, with no kill that could have made it forgotten."""
    told: dict[str, Seen] = {}
    count = 0
    for seen in sorted(found.journal, key=lambda one: one.began):
        before = told.get(seen.batch)
        if before and not any(before.began <= at <= seen.began for at in found.runs.kills):
            count += 1
        if seen.told in TAKEN:
            told[seen.batch] = seen
    return count


def _about_quarantine(found: Evidence, table: Table) -> None:
    refused = {seen.members[0] for seen in found.journal if seen.told in _REFUSALS and len(seen.members) == 1}
    members = [one["member"] for one in found.set_aside]
    table.say(
        "quarantined after a 400 or 413 to the record alone, released, sent", sum(one in refused for one in members)
    )
    table.zero("quarantined, unexplained", sum(one not in refused for one in members))
    events = Counter(event["fate"] for event in _history(found)["events"])
    table.zero("dropped or forgotten", events["dropped"] + events["forgotten"])


def _about_leftovers(found: Evidence, table: Table) -> None:
    spool = [path.name for kind in KINDS for path in (found.folder / "spool" / kind).iterdir()]
    table.say("drafts of killed writers, never acknowledged", sum(name.startswith(".") for name in spool))
    table.zero("left in the spool", sum(not name.startswith(".") for name in spool))
    table.zero("left in the quarantine", len(list((found.folder / "collector" / "quarantine").glob("*/*"))))
    table.zero("archives left on their way", len(list((found.folder / "collector" / "outgoing").iterdir())))
    table.zero("drafts left at the ingress", len(list(found.ingress.store.glob(".*.draft"))))
    table.zero("ledgers set aside", len(list((found.folder / "collector").glob("*.corrupt-*"))))
    log = [*found.runs.log, *found.stack.log, *found.ingress.log]
    tracebacks = [at for at, line in enumerate(log) if _FAULT.search(line)]
    table.zero("tracebacks in a log", len(tracebacks))
    if tracebacks:
        table.say("the first of them", "\n" + "\n".join(log[tracebacks[0] : tracebacks[0] + _SHOWN]))


def _payloads(store: Path) -> dict[str, list[str]]:
    """The members of each payload, by batch id; by its name where other bytes came under a known id."""
    found = {}
    for path in sorted(store.glob("*.tar.gz")):
        with tarfile.open(path) as tar:
            found[path.name.removesuffix(".tar.gz")] = tar.getnames()
    return found


def _unpacked(found: Evidence) -> dict[str, bytes]:
    """What the data team would get, by member."""
    target = found.folder / "unpacked"
    done = found.runs.command("unpack", str(found.ingress.store), "--to", str(target))
    assert done.returncode == 0, done.stderr
    return {f"{kind}/{path.name}": path.read_bytes() for kind in KINDS for path in (target / kind).iterdir()}


def _history(found: Evidence) -> dict[str, list[dict[str, Any]]]:
    history: dict[str, list[dict[str, Any]]] = json.loads(
        found.runs.command("history", "--limit", str(_ENOUGH), "--json").stdout
    )
    return history


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from file

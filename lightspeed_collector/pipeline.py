"""One run through the spool: recover, scan, archive, claim, upload, receipt, delete.

Whatever ends it, and wherever, the next run finds on the disk where to go on: an archive is durable before it is
claimed, claimed before a byte of it is sent, and its receipt is durable before a record is deleted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, field

from lightspeed_collector import backoff, events, names
from lightspeed_collector.answers import Answer, Meaning
from lightspeed_collector.archive import Archives
from lightspeed_collector.backlog import Backlog, Queue
from lightspeed_collector.batch import Batch, Room
from lightspeed_collector.courier import Courier
from lightspeed_collector.culprit import Inquiry
from lightspeed_collector.errors import Busy, Refused, SpoolError, StateError, StateFull
from lightspeed_collector.forget import Forgetting
from lightspeed_collector.intake import Intake
from lightspeed_collector.large import Unsettled
from lightspeed_collector.ledger import Ledger, Receipt
from lightspeed_collector.progress import Progress
from lightspeed_collector.quarantine import Quarantine
from lightspeed_collector.report import Report
from lightspeed_collector.retention import Entry
from lightspeed_collector.sent import Sent
from lightspeed_collector.spool import Spool
from lightspeed_collector.stop import Stop
from lightspeed_collector.unfinished import Unfinished
from lightspeed_collector.upcoming import Upcoming
from lightspeed_collector.withheld import Withheld

log = logging.getLogger(__name__)

_OFTEN = 100


@dataclass(eq=False, repr=False)
class Pipeline:
    spool: Spool
    ledger: Ledger
    sent: Sent
    archives: Archives
    intake: Intake
    quarantine: Quarantine
    unfinished: Unfinished
    courier: Courier
    forgetting: Forgetting
    room: Room
    inquiry: Inquiry
    progress: Progress
    stop: Stop
    report: Report
    url: str
    max_archive_bytes: int
    cleanup: bool
    withheld: Withheld = field(default_factory=Withheld)

    def run(self) -> None:
        """Send all that waits; raises what keeps it from going on."""
        self._sweep()
        self._finish_accepted()
        backlog = self.scan()
        self._respect_hold()
        self.progress.begin(len(backlog))
        for batch in self.ledger.claimed():
            self._resume(batch)
        self._ship(self._upcoming(self.sent.unsent(backlog)))
        if self.inquiry.undecided:
            raise Refused(f"the ingress answered {self.inquiry.undecided}: everything is kept")

    def tidy(self) -> None:
        """Honour requests to forget, finish what was accepted, and send nothing."""
        self._sweep()
        self._finish_accepted()
        self.scan()
        if self.withheld.keys:
            log.warning("some requests to forget wait for a batch that may have been sent, and is not sent again now")

    def _sweep(self) -> None:
        known = self.ledger.claimed() + self.ledger.accepted()
        self.archives.sweep((batch.id for batch in known), self.report.problem)

    def _ship(self, upcoming: Upcoming, *, again: bool = False) -> None:
        """`again`: the records may have been sent before, in a batch that is lost."""
        with closing(upcoming), self.stop.meanwhile(upcoming.step):
            while batch := self._archive(upcoming):
                if batch.archive_bytes > self.max_archive_bytes:
                    text = f"its archive has {batch.archive_bytes} bytes, over max_archive_bytes"
                    self._divide(batch, Answer(Meaning.TOO_LARGE, text), upcoming)
                else:
                    self.ledger.claim(batch, time.time())
                    self._hand_over(batch, upcoming, again=again)

    def _hand_over(self, batch: Batch, upcoming: Upcoming, *, again: bool = False) -> None:
        """A batch that was claimed may have been sent: it goes as it is, whatever our own limit has become."""
        archive = self.archives.path(batch.id)
        answer = self.courier.deliver(batch, archive, self.progress.uploaded, self._hold, again=again)
        if answer.meaning is Meaning.ACCEPTED:
            self._receipt(batch, answer)
            self._delete(batch)
        else:
            self._divide(batch, answer, upcoming)

    def _upcoming(self, members: Iterable[str]) -> Upcoming:
        return Upcoming(
            Queue(members),
            lambda queue: self.archives.build(self.intake.records(self._free(queue)), queue, self.room),
            lambda batch: self.archives.remove(batch.id),
        )

    def _free(self, members: Iterable[str]) -> Iterator[str]:
        return (member for member in members if member not in self.withheld)

    def scan(self, not_adopted: AbstractSet[str] = frozenset()) -> Backlog:
        """The records that wait, after requests to forget some of them were honoured.

        `not_adopted`: records of batches that the ledger doesn't know as yet; requests for them wait as well.
        """
        with self.quarantine.alone():
            self.quarantine.sweep()
            self.withheld.members |= self.unfinished.finish()
            found = self.spool.scan(self.stop.check)
            self.withheld.storages |= found.failed
            if found.requests:
                claimed = {member for batch in self.ledger.claimed() for member in batch.members} | not_adopted
                again = self.spool.scan(self.stop.check)
                self.withheld.keys |= self.forgetting.honour(found.requests, again, claimed)
                found = self.spool.scan(self.stop.check)
                self.withheld.storages |= found.failed
        return found.backlog

    def _archive(self, upcoming: Upcoming) -> Batch | None:
        while True:
            try:
                return upcoming.finish()
            except StateFull as full:
                log.warning("%s: trying a smaller batch", full)
                self.room.narrow(full.records // 2)
            except Unsettled as changing:
                log.warning("left alone, it is being written: %s", changing)
            except SpoolError as error:
                self.report.problem(error)

    def _receipt(self, batch: Batch, answer: Answer) -> None:
        assert answer.status is not None
        self.ledger.receipt(batch, Receipt(answer.status, answer.request_id, time.time()))
        self.report.sent += len(batch.members)
        self.report.batches += 1
        self.report.bytes += batch.archive_bytes
        self.report.request_ids.append(answer.request_id)
        self.progress.sent(self.report.sent)
        _tell(batch, answer)
        for entry in self.inquiry.accepted():
            self.intake.set_aside(entry, "the ingress refused it, and takes others")

    def _delete(self, batch: Batch) -> None:
        entries = list(map(Entry, batch.members, batch.identities))
        remaining = self._delete_records(entries) if self.cleanup else entries
        self.ledger.finish(batch, remaining, time.time())
        self.archives.remove(batch.id)

    def _delete_records(self, entries: Iterable[Entry]) -> list[Entry]:
        """Returns those that were not deleted: it failed, or they were not there (any more, or as yet)."""
        remaining = []
        for count, entry in enumerate(entries):
            if not count % _OFTEN:
                self.stop.check()
            try:
                deleted = self.spool.delete(entry)
            except SpoolError as error:
                text = f"{error}: it was sent and can't be removed; it won't be sent again"
                self.report.problem(SpoolError(text))
                deleted = False
            if not deleted:
                remaining.append(entry)
        self.spool.sync()
        return remaining

    def _divide(self, batch: Batch, answer: Answer, upcoming: Upcoming) -> None:
        verdict = self.inquiry.refused(batch, answer)
        self.ledger.release(batch)
        self.archives.remove(batch.id)
        if verdict.ours:
            raise Refused(f"the ingress answered {answer.text}: everything is kept")
        upcoming.put_back(*verdict.again)
        for entry in verdict.culprits:
            self.intake.set_aside(entry, answer.text)

    def _finish_accepted(self) -> None:
        for batch in self.ledger.accepted():
            log.info("batch %s was accepted before: deleting its records", batch.id)
            self._delete(batch)
        if self.cleanup:
            self.sent.remove(self._delete_records)

    def _resume(self, batch: Batch) -> None:
        """Send a claimed batch again, as it was; or its records, when the archive is lost."""
        try:
            is_sound = self.archives.holds(batch)
        except StateError as error:
            self.withheld.members.update(batch.members)
            text = "its batch waits, others go; once the file is removed its records are archived again"
            self.report.problem(StateError(f"{error}: {text}"))
            return
        self.report.repeated += 1
        if is_sound:
            upcoming = self._upcoming(())
            self._hand_over(batch, upcoming, again=True)
            self._ship(upcoming)
        elif away := {names.split(member)[0] for member in batch.members} & self.spool.away:
            self.withheld.members.update(batch.members)
            text = f"the archive of batch {batch.id} is lost, and can't be made again while folders are away"
            self.report.problem(SpoolError(f"{text}: {', '.join(sorted(away))}"))
        else:
            log.warning("the archive of batch %s is lost: its records are archived again", batch.id)
            self.ledger.release(batch)
            self._ship(self._upcoming(batch.members), again=True)

    def _respect_hold(self) -> None:
        until = self.ledger.held_until(time.time(), self.url)
        if until is not None:
            raise Busy(f"the ingress asked for peace until {backoff.at(until)}: nothing is sent before")

    def _hold(self, seconds: float) -> None:
        now = time.time()
        self.ledger.hold(now, now + seconds, self.url)


def _tell(batch: Batch, answer: Answer) -> None:
    if answer.odd_body:
        log.warning("the ingress answered %s with a body that can't be understood", answer.text)
    fields = events.fields(
        events.BATCH_SENT,
        batch_id=batch.id,
        request_id=answer.request_id,
        records=len(batch.members),
        bytes=batch.archive_bytes,
    )
    text = "sent batch %s: %d records, %d bytes, request id %s"
    log.info(text, batch.id, len(batch.members), batch.archive_bytes, answer.request_id or "unknown", extra=fields)

"""One run from start to end: wires its parts together, holds the lock, keeps the limits, remembers how it went."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from lightspeed_collector import age, channel, events, limits, lock, textfile
from lightspeed_collector.age import Watch
from lightspeed_collector.archive import Archives
from lightspeed_collector.batch import Room
from lightspeed_collector.config import Config
from lightspeed_collector.culprit import Inquiry
from lightspeed_collector.database import Database
from lightspeed_collector.errors import Error, LedgerCorrupt, Locked, SpoolError, StateError, Stopped
from lightspeed_collector.forget import Forgetting
from lightspeed_collector.history import History, Run
from lightspeed_collector.intake import Intake
from lightspeed_collector.ledger import Ledger
from lightspeed_collector.pipeline import Pipeline
from lightspeed_collector.progress import Progress
from lightspeed_collector.quarantine import Quarantine
from lightspeed_collector.report import Report
from lightspeed_collector.retention import Limits
from lightspeed_collector.sent import Sent
from lightspeed_collector.spool import Spool
from lightspeed_collector.state import State
from lightspeed_collector.stop import Stop
from lightspeed_collector.unfinished import Unfinished
from lightspeed_collector.waiting import Survey, Waiting

log = logging.getLogger(__name__)

_DAY_SECONDS = 86400.0


@dataclass
class Collection:
    """One run. `report` tells how it goes; the exit status is the report's."""

    config: Config
    environ: Mapping[str, str]
    stop: Stop
    progress: Progress
    report: Report = field(default_factory=Report)

    def run(self) -> None:
        if not self.config.data_collector.enabled:
            log.info("the collector is disabled (enabled: false): nothing is sent")
            if not self._is_asked_to_forget():
                return
        began = time.monotonic()
        state = State(self.config.data_collector.state_dir)
        try:
            state.prepare()
            with lock.held(state.lock):
                self._work(state, began)
        except Locked as error:
            log.info("%s", error)
        except Error as error:
            self.report.problem(error)

    def _is_asked_to_forget(self) -> bool:
        """What a site records and does not send can be asked to be forgotten as well."""
        with Spool(self.config.folders, self.report.problem) as spool:
            return bool(spool.scan(self.stop.check).requests)

    def _work(self, state: State, began: float) -> None:
        """A ledger is set aside when it is corrupt at a second look as well: a read that fails once may look the same."""
        try:
            return self._session(state, began)
        except LedgerCorrupt as error:
            log.warning("%s: looking again", error)
        try:
            state.check()
            self._session(state, began)
        except LedgerCorrupt as error:
            state.set_aside(error)
            self._session(state, began)

    def _session(self, state: State, began: float) -> None:
        with ExitStack() as stack:
            database = state.open()
            stack.enter_context(closing(database))
            spool = stack.enter_context(Spool(self.config.folders, self.report.problem))
            lock.folders(spool.descriptors.values())
            for storage in sorted(spool.missing):
                log.info("%s: no such folder, taken for an empty one", self.config.folders[storage])
            parts = _Parts(self, state, database, spool)
            self._carry_out(parts)
            if self.config.data_collector.enabled:
                self._conclude(parts, began)
            else:
                parts.prune(time.time())

    def _carry_out(self, parts: _Parts) -> None:
        try:
            parts.carry_out()
        except LedgerCorrupt:
            raise
        except Error as error:
            self.report.problem(error)
        except Exception as error:  # limits are kept and the run is told of all the same
            log.debug("internal error", exc_info=True)
            self.report.problem(Error(f"internal error: {type(error).__name__}: {error}"))
        finally:
            self.progress.end()

    def _conclude(self, parts: _Parts, began: float) -> None:
        """Limits, then report."""
        settings, now = self.config.data_collector, time.time()
        survey = parts.limits(now)
        self.report.left = survey.records if survey.listed and survey.told_apart else None
        seconds = time.monotonic() - began
        parts.prune(now)
        run = Run(now - seconds, now, self.report.status, self.report.as_json(seconds))
        parts.history.record_run(run, self.report.totals() | {f"runs_{run.status}": 1})
        textfile.write(settings, parts.history, survey, parts.quarantine)
        log.info("%s", self.report.line(seconds), extra=events.fields(events.RUN_DONE, **run.report))


class _Parts:
    """What a run is made of, each made of what was made before."""

    def __init__(self, run: Collection, state: State, database: Database, spool: Spool) -> None:
        settings = run.config.data_collector
        self._run = run
        self._spool = spool
        self._not_adopted: set[str] = set()
        self._knows_all = False
        self.ledger = Ledger(database)
        self.sent = Sent(database, spool)
        self.history = History(database)
        self.quarantine = Quarantine(state.quarantine, run.stop.rest)
        self.archives = Archives(state.outgoing, settings.compression)
        self.exchange = channel.exchange(run.config, run.stop, run.environ)

    def carry_out(self) -> None:
        """What a run is for; while the collector is disabled, only what was asked to be forgotten."""
        pipeline = self._pipeline()
        try:
            self._settle()
        except (SpoolError, StateError):
            from lightspeed_collector import adopt

            self._not_adopted, self._knows_all = adopt.members(self.archives, self.ledger)
            pipeline.scan(self._not_adopted)
            raise
        if self._run.config.data_collector.enabled:
            pipeline.run()
        else:
            pipeline.tidy()

    def prune(self, now: float) -> None:
        """Forget what is over `history_days` old."""
        age = self._run.config.data_collector.history_days * _DAY_SECONDS
        self.history.prune(now - age)
        self.sent.prune(now, age)

    def _settle(self) -> None:
        if self.ledger.settled:
            return
        if self.archives.ids():
            from lightspeed_collector import adopt

            adopt.adopt(self.archives, self._spool, self.ledger)
        self.ledger.settle(time.time())

    def _pipeline(self) -> Pipeline:
        run, settings = self._run, self._run.config.data_collector
        room = Room(settings.max_archive_bytes)
        intake = Intake(self._spool, self.quarantine, self.history, run.report, run.stop.check)
        return Pipeline(
            spool=self._spool,
            ledger=self.ledger,
            sent=self.sent,
            archives=self.archives,
            intake=intake,
            quarantine=self.quarantine,
            unfinished=Unfinished(self._spool, self.quarantine, intake, self.history, run.report),
            courier=channel.courier(run.config, self.exchange, run.stop, run.report, run.environ),
            forgetting=Forgetting(self._spool, self.quarantine, self.history, run.report),
            room=room,
            inquiry=Inquiry(room, _any_below),
            progress=run.progress,
            stop=run.stop,
            report=run.report,
            url=settings.ingress_server_url or "",
            max_archive_bytes=settings.max_archive_bytes,
            cleanup=settings.cleanup_after_send,
        )

    def limits(self, now: float) -> Survey:
        """None are kept while it isn't known which records are on their way."""
        run, settings = self._run, self._run.config.data_collector
        claimed = {member for batch in self.ledger.claimed() + self.ledger.accepted() for member in batch.members}
        claimed |= self._not_adopted
        waiting = Waiting(self._spool, self.sent, run.stop)
        if not (self.ledger.settled or self._knows_all):
            return waiting.count()
        watch = self._watch(now)
        bounds = Limits(settings.max_spool_bytes, watch.too_old if watch else None)
        try:
            left = limits.enforce(waiting, bounds, claimed, self._spool, self.history, run.report, now)
        except (Stopped, SpoolError) as error:
            run.report.problem(error)
            return waiting.count()
        if watch:
            watch = age.after(watch, left.waiting.oldest)
            self.history.keep_watch(watch)
            limits.warn_of_age(left.free, watch)
        return left.waiting

    def _watch(self, now: float) -> Watch | None:
        max_age = self._run.config.data_collector.max_record_age
        if max_age is None:
            return None
        return age.look(self.history.watch(), now, time.clock_gettime(time.CLOCK_BOOTTIME), max_age)


def _any_below(number: int) -> int:
    import random

    return random.randrange(number)  # noqa: S311 - no secret

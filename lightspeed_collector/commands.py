"""What each command does and prints: results on stdout, everything else in the log on stderr."""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from lightspeed_collector import config
from lightspeed_collector.config import Config
from lightspeed_collector.errors import Error
from lightspeed_collector.report import Report
from lightspeed_collector.stop import Stop
from lightspeed_stack.daemon import exits
from lightspeed_stack.daemon.config import load
from lightspeed_stack.daemon.notify import Notifier

log = logging.getLogger(__name__)

_EXTENSION_SECONDS = 60.0


def load_config(path: Path) -> Config:
    return config.read(load(path, os.environ))


def execute(args: argparse.Namespace, settings: Config, reload: Callable[[], Config], out: TextIO) -> int:
    """Run the command in `args`; every failure is a line in the log and an exit status."""
    logging.raiseExceptions = False  # a log that can't be written is no reason for a traceback
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it shows tracebacks of answers that are cut short
    notifier = Notifier.take(os.environ)
    stop = Stop(_beat(notifier))
    stop.install()
    try:
        return _COMMANDS[args.command](args, settings, reload, out, stop, notifier)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return exits.OK
    except Error as error:
        log.error("%s", error)
        return error.status
    except Exception as error:  # a line instead of a traceback
        log.error("internal error: %s: %s", type(error).__name__, error, exc_info=args.verbose)
        return exits.IOERR


def _beat(notifier: Notifier) -> Callable[[], None]:
    """Shows systemd that we live: the watchdog of a loop, the start timeout of a single run."""

    def beat() -> None:
        notifier.watchdog()
        notifier.extend_timeout(_EXTENSION_SECONDS)

    return beat


def _run(
    args: argparse.Namespace,
    settings: Config,
    reload: Callable[[], Config],
    out: TextIO,
    stop: Stop,
    notifier: Notifier,
) -> int:
    from lightspeed_collector import loop
    from lightspeed_collector.progress import Progress, terminal
    from lightspeed_collector.run import Collection

    if args.dry_run:
        return _preview(args, settings, out, stop)

    def once(current: Config) -> int:
        began = time.monotonic()
        run = Collection(current, os.environ, stop, Progress(notifier, None if args.json else terminal()))
        run.run()
        if args.json:
            _print_json(run.report.as_json(time.monotonic() - began), out)
        return run.report.status

    if args.interval is None:
        return once(settings)
    return loop.repeat(reload, once, args.interval or None, stop, notifier)


def _preview(args: argparse.Namespace, settings: Config, out: TextIO, stop: Stop) -> int:
    from lightspeed_collector import preview

    report = Report()
    planned = preview.plan(settings, report, stop)
    if args.json:
        _print_json({**report.as_json(0.0), "would_send": list(map(asdict, planned))}, out)
        return report.status
    for number, batch in enumerate(planned, 1):
        again = f", sent again as {batch.id}" if batch.id else ""
        out.write(f"batch {number}: {batch.records} records, {batch.bytes} bytes{again}\n")
        out.write(f"  from {batch.first}\n  to   {batch.last}\n")
    where = settings.data_collector.ingress_server_url or "no ingress_server_url"
    off = "" if settings.data_collector.enabled else " if the collector were enabled"
    out.write(f"would send {report.left} records in {len(planned)} batches to {where}{off}\n")
    return report.status


def _status(
    args: argparse.Namespace,
    settings: Config,
    reload: Callable[[], Config],
    out: TextIO,
    stop: Stop,
    notifier: Notifier,
) -> int:
    from lightspeed_collector import status

    report = Report()
    found = status.gather(settings, report, stop, time.time())
    if args.json:
        _print_json(found, out)
    else:
        out.writelines(f"{line}\n" for line in status.lines(found))
    return report.status


def _history(
    args: argparse.Namespace,
    settings: Config,
    reload: Callable[[], Config],
    out: TextIO,
    stop: Stop,
    notifier: Notifier,
) -> int:
    from lightspeed_collector import backoff, history
    from lightspeed_collector.database import Database
    from lightspeed_collector.state import State

    with closing(Database.reader(State(settings.data_collector.state_dir).ledger)) as database:
        past = history.History(database)
        deliveries = list(past.deliveries(args.limit, args.conversation))
        events = past.events(args.limit, args.conversation)
    if args.json:
        found = {"deliveries": list(map(history.as_json, deliveries)), "events": list(map(history.as_json, events))}
        _print_json(found, out)
        return exits.OK
    for one in deliveries:
        when = backoff.at(one.accepted_at)
        out.write(f"{when}  sent batch {one.batch_id}, {one.records} records, {one.archive_bytes} bytes,")
        out.write(f" answered {one.http_status}, request id {one.request_id or 'unknown'}\n")
        if args.conversation:
            out.writelines(f"    {member}\n" for member in one.members)
    out.writelines(f"{backoff.at(event.at)}  {event.fate} {event.member}: {event.reason}\n" for event in events)
    return exits.OK


def _quarantine(
    args: argparse.Namespace,
    settings: Config,
    reload: Callable[[], Config],
    out: TextIO,
    stop: Stop,
    notifier: Notifier,
) -> int:
    from lightspeed_collector import asides

    return asides.execute(args, settings, out)


def _test_connection(
    args: argparse.Namespace,
    settings: Config,
    reload: Callable[[], Config],
    out: TextIO,
    stop: Stop,
    notifier: Notifier,
) -> int:
    from lightspeed_collector import connection, run
    from lightspeed_collector.errors import Misconfigured

    url = settings.data_collector.ingress_server_url
    if url is None:
        raise Misconfigured("user_data_collection.data_collector.ingress_server_url is not set")
    channel = run.exchange(settings, stop, os.environ)
    out.write(connection.test(url, run.courier(settings, channel, stop, Report(), os.environ), channel) + "\n")
    return exits.OK


def _print_json(value: Any, out: TextIO) -> None:
    out.write(json.dumps(value) + "\n")
    out.flush()


_COMMANDS = {
    "run": _run,
    "status": _status,
    "history": _history,
    "quarantine": _quarantine,
    "test-connection": _test_connection,
}

"""What each command does and prints: results on stdout, everything else in the log on stderr."""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from lightspeed_collector import config
from lightspeed_collector.config import Config
from lightspeed_collector.errors import Error, Misconfigured
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
        return _COMMANDS[args.command](_Command(args, settings, reload, out, stop, notifier))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return exits.OK
    except Error as error:
        log.error("%s", error)
        return error.status
    except Exception as error:  # a line instead of a traceback
        log.error("internal error: %s: %s", type(error).__name__, error, exc_info=args.verbose)
        return exits.IOERR


@dataclass(frozen=True)
class _Command:
    """A command as it was given, and what it works with."""

    args: argparse.Namespace
    settings: Config
    reload: Callable[[], Config]
    out: TextIO
    stop: Stop
    notifier: Notifier

    def print_json(self, value: Any) -> None:
        self.out.write(json.dumps(value) + "\n")
        self.out.flush()


def _beat(notifier: Notifier) -> Callable[[], None]:
    """Shows systemd that we live: the watchdog of a loop, the start timeout of a single run."""

    def beat() -> None:
        notifier.watchdog()
        notifier.extend_timeout(_EXTENSION_SECONDS)

    return beat


def _run(command: _Command) -> int:
    from lightspeed_collector import loop

    args = command.args
    if args.dry_run:
        return _preview(command)
    if args.interval is None:
        return _once(command, command.settings)

    def once(settings: Config) -> int:
        return _once(command, settings)

    return loop.repeat(command.reload, once, args.interval or None, command.stop, command.notifier)


def _once(command: _Command, settings: Config) -> int:
    from lightspeed_collector.progress import Progress, terminal
    from lightspeed_collector.run import Collection

    began = time.monotonic()
    progress = Progress(command.notifier, None if command.args.json else terminal())
    run = Collection(settings, os.environ, command.stop, progress)
    run.run()
    if command.args.json:
        command.print_json(run.report.as_json(time.monotonic() - began))
    return run.report.status


def _preview(command: _Command) -> int:
    from lightspeed_collector import preview

    report = Report()
    plan = preview.plan(command.settings, report, command.stop, time.time())
    if command.args.json:
        command.print_json({**report.as_json(0.0), **asdict(plan)})
    else:
        command.out.writelines(f"{line}\n" for line in preview.lines(plan, command.settings))
    return report.status


def _status(command: _Command) -> int:
    from lightspeed_collector import status

    report = Report()
    found = status.gather(command.settings, report, command.stop, time.time())
    if command.args.json:
        command.print_json(found)
    else:
        command.out.writelines(f"{line}\n" for line in status.lines(found))
    return report.status


def _history(command: _Command) -> int:
    from lightspeed_collector import history
    from lightspeed_collector.database import Database
    from lightspeed_collector.state import State

    args = command.args
    with closing(Database.reader(State(command.settings.data_collector.state_dir).ledger)) as database:
        past = history.History(database)
        deliveries = list(past.deliveries(args.limit, args.conversation))
        events = past.events(args.limit, args.conversation)
    if args.json:
        found = {
            "deliveries": [history.as_json(one) for one in deliveries],
            "events": [history.as_json(one) for one in events],
        }
        command.print_json(found)
    else:
        lines = history.lines(deliveries, events, members=bool(args.conversation))
        command.out.writelines(f"{line}\n" for line in lines)
    return exits.OK


def _quarantine(command: _Command) -> int:
    from lightspeed_collector import asides

    return asides.execute(command.args, command.settings, command.out)


def _test_connection(command: _Command) -> int:
    from lightspeed_collector import channel, connection

    settings = command.settings
    url = settings.data_collector.ingress_server_url
    if url is None:
        raise Misconfigured("user_data_collection.data_collector.ingress_server_url is not set")
    exchange = channel.exchange(settings, command.stop, os.environ)
    courier = channel.courier(settings, exchange, command.stop, Report(), os.environ)
    command.out.write(connection.test(url, courier, exchange) + "\n")
    return exits.OK


_COMMANDS = {
    "run": _run,
    "status": _status,
    "history": _history,
    "quarantine": _quarantine,
    "test-connection": _test_connection,
}

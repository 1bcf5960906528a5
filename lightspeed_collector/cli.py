"""The command line: parse, read the configuration, hand over to the command, exit with its status (sysexits.h).

What a command needs is imported when it is chosen, so that each starts quickly and loads nothing that it has no use for.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeAlias

from lightspeed_collector import unpack
from lightspeed_collector.ingress import cli as ingress
from lightspeed_stack.daemon import exits, log
from lightspeed_stack.daemon.config import ConfigError, Document, find, load
from lightspeed_stack.daemon.version import VERSION

DESCRIPTION = """\
Send what lightspeed-stack recorded (transcripts and feedback in its spool) to an ingress server: archive, upload, and
delete what was accepted. A record is never deleted before the ingress has acknowledged it; whatever interrupts a run,
the next one goes on."""

EPILOG = """\
The configuration file, when none is named: $LIGHTSPEED_STACK_CONFIG, ./lightspeed-stack.yaml,
/etc/lightspeed-stack/lightspeed-stack.yaml, the first that exists; conf.d/*.yaml beside it is merged over it. Proxies
come from the environment (HTTPS_PROXY, NO_PROXY); ~/.netrc is never read.

exit status:
   0  done, or nothing to do, or another run is under way
  64  the command line is wrong
  65  this run put records into quarantine, and sent everything else; what was there before doesn't count
  69  the ingress refused us (401, 403, 404, 415, a redirect ...), or one side doesn't accept the other's TLS
      certificate: everything is kept, and no later run will do better by itself
  73  the state directory can't be written
  74  the spool can't be read, or something in it can't be removed; also for an internal error
  75  the ingress can't be reached or is busy, or a signal ended the run: the next run goes on
  78  the configuration is at fault"""

QUARANTINE = """\
Records that can't be sent (not JSON, too large by themselves, refused by the ingress while it takes others) are kept
whole under state_dir/quarantine, each with the reason beside it. They are never sent and never dropped.

exit status: 0 done; 64 there is no record of a NAME, or there are two: nothing is changed then; 73 a record can't be
put back or removed, also because there is another of its name in the spool: it stays, the others are done."""


if TYPE_CHECKING:
    from lightspeed_collector.config import Config

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


def build_parser(named: Collection[str] = ()) -> argparse.ArgumentParser:
    """The command line with the `named` commands, or the whole, of which the manual page and the completions are made."""
    parser = argparse.ArgumentParser(
        prog="lightspeed-collector",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="read this configuration file")
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="check the configuration and the files that it names, and exit: 0 good, 78 not",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(prog=parser.prog, dest="command", metavar="COMMAND", title="commands")
    for name, add in _ADD.items():
        if not named or name in named:
            add(commands)
    return parser


def main(arguments: list[str]) -> int:
    """The exit status."""
    parser = build_parser(_named(arguments))
    try:
        args = parser.parse_args(arguments)
        if not args.command and not args.check_config:
            parser.error("a command is needed: run, status, history, quarantine, test-connection, ingress or unpack")
    except SystemExit as end:
        return exits.USAGE if end.code == 2 else int(end.code or 0)
    alone = _WITHOUT_CONFIG.get(args.command)
    if alone:
        return alone(args)
    log.setup("lightspeed-collector", args.verbose)
    return _with_config(args)


def _named(arguments: Sequence[str]) -> list[str]:
    """The commands that are meant: to make the others as well takes longer than a run that finds nothing. Help needs all."""
    if any(argument.startswith("-") and "h" in argument for argument in arguments):
        return []
    return [name for name in _ADD if name in arguments]


_WITHOUT_CONFIG: dict[str, Callable[[argparse.Namespace], int]] = {"ingress": ingress.main, "unpack": unpack.main}


def _with_config(args: argparse.Namespace) -> int:
    from lightspeed_collector import commands, config

    try:
        path = find(args.config, os.environ)
        document = load(path, os.environ)
        settings = config.read(document)
        if args.check_config:
            return _check(document, settings)
    except ConfigError as error:
        log.complain("lightspeed-collector", error.faults)
        return exits.CONFIG
    reload = functools.partial(commands.load_config, path)
    return commands.execute(args, settings, reload, sys.stdout)


def _check(document: Document, settings: Config) -> int:
    from lightspeed_collector import references

    references.check(document, settings.data_collector, os.environ)
    return exits.OK


def _add_run(commands: Commands) -> None:
    parser = commands.add_parser(
        "run",
        help="send what waits in the spool, once or every interval",
        description="Send what waits in the spool and exit. Oldest records first; a batch that an earlier run had begun"
        " goes first of all, as it was. On a terminal a bar shows the progress.",
    )
    parser.add_argument(
        "--interval",
        nargs="?",
        const=0.0,
        type=_seconds,
        metavar="SECONDS",
        help="repeat every collection_interval, or every SECONDS, until SIGTERM",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the batches that would be sent, and send nothing")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object with the counts; `left` is null if unknown"
    )


def _add_status(commands: Commands) -> None:
    parser = commands.add_parser(
        "status",
        help="show what waits, what is on its way, the last run and the next",
        description="Show the spool (records, bytes, oldest), a batch on its way, the last run, when the next is due,"
        " the quarantine. A folder of the spool that is missing or can't be listed is named, and what can't be known then"
        " is told as unknown (null in JSON), never as 0. It only looks.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_history(commands: Commands) -> None:
    parser = commands.add_parser(
        "history",
        help="show what left this host, when, and under which request id",
        description="Show the batches that the ingress accepted, newest first, and what became of records that were not"
        " sent. Kept for history_days.",
    )
    parser.add_argument("--limit", type=_count, default=20, metavar="N", help="at most so many of each (%(default)s)")
    parser.add_argument("--conversation", metavar="ID", help="only what concerns this conversation, record by record")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_quarantine(commands: Commands) -> None:
    parser = commands.add_parser(
        "quarantine",
        help="list, show, release or discard records that can't be sent",
        description=QUARANTINE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(prog=parser.prog, dest="action", metavar="ACTION", title="actions")
    listing = actions.add_parser("list", help="list them with their reasons (the default)")
    listing.add_argument("--json", action="store_true", help="print one JSON object a line")
    show = actions.add_parser("show", help="print the reason on stderr and the record on stdout")
    show.add_argument("names", nargs=1, metavar="NAME", help="a record's name, or STORAGE/NAME")
    for action, text in (("release", "put records back into the spool, to be tried again"), ("discard", "delete them")):
        changing = actions.add_parser(action, help=text)
        changing.add_argument("names", nargs="+", metavar="NAME", help="a record's name, or STORAGE/NAME")


def _add_test_connection(commands: Commands) -> None:
    commands.add_parser(
        "test-connection",
        help="try address, TLS, proxy and credentials with the ingress's own connection test; stores nothing",
        description="Send the ingress's own connection test with our credentials, through the same proxy and TLS"
        " settings as an upload. Nothing is stored. An ingress doesn't look at the service name in a test: only an upload"
        " tells whether it knows that. Works while the collector is disabled.",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: expected a number of seconds, more than 0")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number, at least 1")
    return int(text)


_ADD: dict[str, Callable[[Commands], None]] = {
    "run": _add_run,
    "status": _add_status,
    "history": _add_history,
    "quarantine": _add_quarantine,
    "test-connection": _add_test_connection,
    "ingress": ingress.add_parser,
    "unpack": unpack.add_parser,
}

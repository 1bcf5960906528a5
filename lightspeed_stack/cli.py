"""The command line of lightspeed-stack: parse, read the configuration, hand over.

Returns sysexits statuses and prints faults one a line; only `__main__` exits. What a command needs is imported
when it is chosen, so that `--version` and `--check-config` stay quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from lightspeed_stack import config, sibling
from lightspeed_stack.daemon import exits, log
from lightspeed_stack.daemon.config import ConfigError, Document, find, load
from lightspeed_stack.daemon.version import VERSION

COLLECTOR = "lightspeed-collector"

EPILOG = """\
The configuration file, when none is named: $LIGHTSPEED_STACK_CONFIG, ./lightspeed-stack.yaml,
/etc/lightspeed-stack/lightspeed-stack.yaml, the first that exists; conf.d/*.yaml beside it is merged over it.

Exit status: 0 done; 64 usage; 73 or 74 a directory can't be written or read; 78 the configuration is at fault.
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; the manual page and the completions are made of it."""
    parser = argparse.ArgumentParser(
        prog="lightspeed-stack",
        description="Serve an LLM assistant over HTTP and spool what its users asked, were answered and thought of it."
        " Without an option or a command: serve, in the foreground, with the log on stderr.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="read this configuration file")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--check-config",
        action="store_true",
        help="check the configuration and the files that it names, and exit: 0 good, 78 not",
    )
    instead.add_argument(
        "-d",
        "--dump-configuration",
        action="store_true",
        help="print the configuration with every default, secrets masked",
    )
    instead.add_argument(
        "--data-collector", action="store_true", help="run the collector in the foreground, every collection_interval"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    index = commands.add_parser("index", help="build or refresh the local document index")
    index.add_argument("directories", nargs="+", metavar="DIR", type=Path, help="a directory of Markdown documents")
    commands.add_parser("redact", help="try the redaction filters: reads stdin, writes the redacted text")
    key = commands.add_parser("api-key", help="make an API key for a user")
    key.add_argument("user", metavar="USER", help="the user whom the key stands for")
    return parser


def main(arguments: list[str]) -> int:
    try:
        args = build_parser().parse_args(arguments)
    except SystemExit as end:
        return exits.USAGE if end.code == 2 else int(end.code or 0)
    try:
        return _run(args)
    except ConfigError as error:
        log.complain("lightspeed-stack", error.faults)
        return exits.CONFIG


def _run(args: argparse.Namespace) -> int:
    if args.command == "api-key":
        from lightspeed_stack.auth import api_key

        return api_key.command(args.user, sys.stdout)
    path = find(args.config, os.environ)
    if args.data_collector:
        sibling.execute(COLLECTOR, ["--config", str(path), "run", "--interval"])
    action = _action(args)
    return action(args, load(path, os.environ))


def _action(args: argparse.Namespace) -> Callable[[argparse.Namespace, Document], int]:
    if args.check_config:
        return _check
    if args.dump_configuration:
        return _dump
    return {"index": _index, "redact": _redact}.get(args.command, _serve)


def _check(args: argparse.Namespace, document: Document) -> int:
    """Check our part here and the collector's by the collector itself."""
    from lightspeed_stack import server

    log.complain("lightspeed-stack: warning", server.check_files(document, server.checked(document)))
    return sibling.call(COLLECTOR, ["--config", str(document.path), "--check-config"])


def _dump(args: argparse.Namespace, document: Document) -> int:
    import json

    from lightspeed_stack.daemon.schema import masked

    print(json.dumps(masked(config.read(document)), indent=4))
    return exits.OK


def _index(args: argparse.Namespace, document: Document) -> int:
    from lightspeed_stack import knowledge

    return knowledge.command(args.directories, config.read(document).state_dir)


def _redact(args: argparse.Namespace, document: Document) -> int:
    from lightspeed_stack import redact

    return redact.command(config.read(document).redaction, sys.stdin, sys.stdout, sys.stderr)


def _serve(args: argparse.Namespace, document: Document) -> int:
    from lightspeed_stack import server

    settings = config.read(document)
    log.setup("lightspeed-stack", args.verbose, color=settings.service.color_log)
    return server.serve(document.path, os.environ)

"""`lightspeed-collector ingress`: the options of the reference ingress, and serving it. Flask is loaded only then."""

from __future__ import annotations

import argparse
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lightspeed_stack.daemon import exits

if TYPE_CHECKING:
    from lightspeed_collector.ingress.app import Settings

log = logging.getLogger(__name__)

_STATE = "/var/lib/lightspeed-ingress"
_LAST_PORT = 65535
_MAX_SIZE = 100 * 1024 * 1024
_DESCRIPTION = """\
Take uploads as console.redhat.com's ingress does, and keep each once.

POST /upload, /api/ingress/v1/upload or /r/insights/platform/ingress/v1/upload, multipart/form-data with a part
`file` or `upload` whose content type names the service. 202 (201 for plain gzip without metadata) is sent when the
payload is durable and its notification written. Nothing that was taken is ever given out again.

An archive of the collector is checked (sha256, number of records, sound gzip and tar, names of the members) and
stored as BATCH_ID.tar.gz; when it comes again it is answered as before and neither stored nor told twice. Other
bytes under a batch id that is known are kept beside the first as BATCH_ID.SHA256.tar.gz: the answer carries a
"warning", the notification "conflicts_with", the log a warning. Any other payload is stored as it is, named by its
request id.

A notification is one JSON line: time, request_id, batch_id, service, category, content_type, size, sha256, records,
account, org_id, metadata, conflicts_with, url.

S3 credentials, region and endpoint come from boto3's environment and files (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3, ...).

exit status: 0 stopped by SIGTERM or SIGINT; 64 usage; 69 the address is taken or is not this
host's; or the bucket can't be used, or boto3 is missing; 73 the store, the state or the notifications can't be
written; 78 the token file can't be read."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "ingress",
        help="the reference ingress: take uploads over HTTP",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    add("--port", type=_port, default=8081, help="port to listen at (%(default)s); 0 for any that is free")
    add("--store", default=_STATE, metavar="DIR|s3://BUCKET/PREFIX", help="where payloads are kept (%(default)s)")
    add(
        "--state",
        type=Path,
        metavar="DIR",
        help=f"where unfinished business is kept (the store if it is a directory, else {_STATE}); "
        "must be on the file system of the store",
    )
    add("--notify", type=Path, metavar="FILE", help="where notifications go (notifications.jsonl in the state)")
    add("--token-file", type=Path, metavar="FILE", help="bearer tokens, one a line, read for each request")
    add("--require-identity", action="store_true", help="refuse uploads without an x-rh-identity header")
    add("--max-size", type=_positive, default=_MAX_SIZE, metavar="BYTES", help="limit of a payload (%(default)s)")
    add(
        "--services",
        type=_services,
        default=frozenset(),
        metavar="NAME,...",
        help="services that are known (all); `advisor` is the one of plain application/gzip",
    )
    add("--workers", type=_positive, default=1, metavar="N", help="processes (%(default)s)")
    add("--threads", type=_positive, default=8, metavar="N", help="uploads at a time in each process (%(default)s)")
    add("--tls-certificate", type=Path, metavar="FILE", help="serve https with this certificate chain (PEM)")
    add("--tls-key", type=Path, metavar="FILE", help="and this key (PEM)")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text}: expected a port, 0 to {_LAST_PORT}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number, at least 1")
    return int(text)


def _services(text: str) -> frozenset[str]:
    names = frozenset(filter(None, text.split(",")))
    if not names or not all(re.fullmatch("[a-z0-9-]+", name) for name in names):
        raise argparse.ArgumentTypeError(f"{text}: expected names of a-z, 0-9 and dashes, with commas between them")
    return names


def main(args: argparse.Namespace) -> int:
    from lightspeed_collector.ingress.app import create_app
    from lightspeed_stack.daemon import web
    from lightspeed_stack.daemon.listen import Listen
    from lightspeed_stack.daemon.log import setup
    from lightspeed_stack.daemon.notify import Notifier

    setup("lightspeed-ingress", getattr(args, "verbose", False))
    settings = _settings(args)
    listen = Listen(
        host=args.host,
        port=args.port,
        workers=args.workers,
        threads=args.threads,
        tls_certificate=args.tls_certificate,
        tls_key=args.tls_key or args.tls_certificate,
    )
    status = _check(settings)
    return status or web.serve(lambda: listen, lambda: create_app(settings), Notifier.take(os.environ))


def _settings(args: argparse.Namespace) -> Settings:
    from lightspeed_collector.ingress.app import Settings
    from lightspeed_collector.ingress.contract import Rules

    state = args.state or Path(_STATE if args.store.startswith("s3://") else args.store)
    return Settings(
        store=args.store,
        state=state,
        notify=args.notify or state / "notifications.jsonl",
        token_file=args.token_file,
        rules=Rules(args.max_size, args.services, args.require_identity),
    )


def _check(settings: Settings) -> int:
    """What would make every upload fail is better said at the start; the exit status, 0 if all is well."""
    from lightspeed_collector.ingress.app import open_depot
    from lightspeed_collector.ingress.bearer import Bearer
    from lightspeed_collector.ingress.store import StoreError
    from lightspeed_stack.daemon.credentials import CredentialError

    try:
        open_depot(settings).check()
        Bearer(settings.token_file, os.environ).check()
    except StoreError as error:
        log.error("%s", error)
        return exits.UNAVAILABLE if "s3://" in str(error) else exits.CANTCREAT
    except CredentialError as error:
        log.error("%s", error)
        return exits.CONFIG
    if settings.token_file is None:
        log.warning("no --token-file: whoever reaches this address may upload")
    return exits.OK

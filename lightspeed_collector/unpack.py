"""`lightspeed-collector unpack`: the records in an ingress's store, each once, into a folder or as JSON lines.

The store is only read. A payload that is unsound, or not the collector's, is reported and never stops the others.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from lightspeed_stack.daemon import exits

if TYPE_CHECKING:
    from lightspeed_collector.ingress.folder import Folder
    from lightspeed_collector.ingress.lines import Lines
    from lightspeed_collector.ingress.reading import Record
    from lightspeed_collector.ingress.store import Store

log = logging.getLogger(__name__)

_FAULTS_SHOWN = 5

_DESCRIPTION = """\
Give out the records that an ingress has taken, each once: a record that came in several batches (same name, same
content) is given out for the first of them. Payloads come in the order of their names, records as they were packed.

Without --to, JSON lines on stdout, but of records over 128 MiB, which only --to gives out:
  {"kind": "transcripts"|"feedback", "name": FILE NAME, "batch_id": BATCH, "record": {...}}

With --to, files DIR/transcripts/NAME and DIR/feedback/NAME, byte for byte as they were collected; other content under
a name that is taken becomes NAME.DIGEST.json. What was unpacked is remembered in DIR/.unpacked: another run adds only
what is new, also when files have been moved away since. A run that was killed is completed by the next.

Names are checked against the spool's contract, so that nothing is ever written elsewhere. What is no record is
reported on stderr and left out.

exit status: 0 done; 64 usage; 65 something in the store was no record, the rest was unpacked; 69 the bucket or an
object in it can't be used, or boto3 is missing; 73 DIR can't be written; 74 the store is none, or it or a payload in it
can't be read; 75 another run is adding to DIR. One payload that can't be read keeps no other from being unpacked."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "unpack",
        help="give out the records in an ingress's store",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", metavar="STORE", help="directory or s3://BUCKET/PREFIX")
    parser.add_argument("--to", type=Path, metavar="DIR", help="unpack into this folder instead of to stdout")


@dataclass
class Count:
    payloads: int = 0
    records: int = 0
    repeats: int = 0
    unread: int = 0
    faults: int = 0


class Faults:
    """What is wrong in one payload; no more than a few lines of it are logged."""

    def __init__(self, payload: str) -> None:
        self._payload = payload
        self.count = 0

    def add(self, text: str) -> None:
        self.count += 1
        if self.count <= _FAULTS_SHOWN:
            log.error("%s: %s", self._payload, text)

    def close(self) -> None:
        if self.count > _FAULTS_SHOWN:
            log.error("%s: %d more faults", self._payload, self.count - _FAULTS_SHOWN)


def main(args: argparse.Namespace) -> int:
    from lightspeed_collector.ingress.folder import Folder, FolderBusy, FolderError
    from lightspeed_collector.ingress.lines import Lines
    from lightspeed_collector.ingress.store import StoreError, open_store
    from lightspeed_stack.daemon.log import setup

    setup("lightspeed-unpack", getattr(args, "verbose", False))
    count, unread = Count(), exits.UNAVAILABLE if args.store.startswith("s3://") else exits.IOERR
    try:
        store = open_store(args.store)
        payloads = store.names()
        first = list(islice(payloads, 1))  # what is no store is told before a folder is made for it
        with Folder(args.to) if args.to else Lines(sys.stdout.buffer) as sink:
            for payload in chain(first, payloads):
                _unpack(store, payload, sink, count)
    except StoreError as error:
        return _fail(unread, error)
    except FolderBusy as error:
        return _fail(exits.TEMPFAIL, error)
    except FolderError as error:
        return _fail(exits.CANTCREAT, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except OSError as error:
        return _fail(exits.IOERR, error)
    log.info(
        "%d records new from %d payloads, %d repeats, %d faults",
        count.records,
        count.payloads,
        count.repeats,
        count.faults,
    )
    if count.unread:
        log.error("%d payloads can't be read; another run tries them again", count.unread)
        return unread
    return exits.DATAERR if count.faults else exits.OK


def _unpack(store: Store, payload: str, sink: Folder | Lines, count: Count) -> None:
    """Everything new in one payload. One with a fault is not finished: the next run will report it again."""
    from lightspeed_collector.ingress.reading import Unsound, records
    from lightspeed_collector.ingress.store import PayloadError

    if sink.has(payload):
        return
    faults, unread = Faults(payload), 0
    try:
        with store.open(payload) as file:
            for record in records(file, faults.add):
                _add(record, payload.partition(".")[0], sink, count, faults)
    except Unsound as error:
        faults.add(str(error))
    except PayloadError as error:
        log.error("%s", error)
        unread = 1
    faults.close()
    count.payloads += 1
    count.faults += faults.count
    count.unread += unread
    if not faults.count and not unread:
        sink.finish(payload)


def _add(record: Record, batch_id: str, sink: Folder | Lines, count: Count, faults: Faults) -> None:
    from lightspeed_collector.ingress.lines import NoLine

    try:
        is_new = sink.add(record, batch_id)
    except NoLine as error:
        faults.add(str(error))
    else:
        count.records += is_new
        count.repeats += not is_new


def _fail(status: int, error: Exception) -> int:
    log.error("%s", error)
    return status

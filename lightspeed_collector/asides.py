"""The command `quarantine`: list, show, release and discard what was set aside. Releases and discards are in the history."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TextIO

from lightspeed_collector import backoff, names
from lightspeed_collector.config import Config
from lightspeed_collector.database import Database
from lightspeed_collector.errors import Error, StateError
from lightspeed_collector.history import DISCARDED, RELEASED, Event, History
from lightspeed_collector.quarantine import Held, Quarantine
from lightspeed_collector.state import State
from lightspeed_stack.daemon import exits

log = logging.getLogger(__name__)


def execute(args: argparse.Namespace, settings: Config, out: TextIO) -> int:
    state = State(settings.data_collector.state_dir)
    quarantine = Quarantine(state.quarantine)
    if args.action in (None, "list"):
        _list(quarantine.held(), getattr(args, "json", False), out)
        return exits.OK
    if args.action == "show":
        return _show(_chosen(args.names, quarantine), out)
    with quarantine.alone():
        chosen = _chosen(args.names, quarantine)
        return _change(args.action, chosen, quarantine, settings, state) if chosen else exits.USAGE


def _list(held: Iterable[Held], as_json: bool, out: TextIO) -> None:
    for one in held:
        if as_json:
            found = {"member": one.member, "bytes": one.size, "since": one.since, "reason": one.reason}
            out.write(json.dumps(found) + "\n")
        else:
            out.write(f"{one.member}  {one.size} bytes, since {backoff.at(one.since)}: {one.reason}\n")


def _chosen(wanted: list[str], quarantine: Quarantine) -> list[Held]:
    """The records of these names; none when one of them can't be found."""
    held = list(quarantine.held())
    found = [one for name in wanted for one in _named(name, held)]
    return found if len(found) == len(wanted) else []


def _named(name: str, held: list[Held]) -> list[Held]:
    found = [one for one in held if name in (one.member, names.split(one.member)[1])]
    if len(found) != 1:
        log.error("%s: %s in the quarantine", name, "twice, say STORAGE/NAME:" if found else "is not")
    return found if len(found) == 1 else []


def _show(chosen: list[Held], out: TextIO) -> int:
    for held in chosen:
        log.info("%s: %s", held.member, held.reason)
        out.flush()
        try:
            with held.path.open("rb") as file:
                shutil.copyfileobj(file, out.buffer)
        except FileNotFoundError as error:
            raise StateError(f"{held.member}: no longer in the quarantine") from error
    return exits.OK if chosen else exits.USAGE


def _change(action: str, chosen: list[Held], quarantine: Quarantine, settings: Config, state: State) -> int:
    worst = exits.OK
    for held in chosen:
        try:
            fate = _carry_out(action, held, quarantine, settings.folders)
            with closing(Database(state.ledger)) as database:
                History(database).note([Event(time.time(), fate, held.member, held.size, held.reason)])
        except Error as error:
            log.error("%s", error)
            worst = error.status
        else:
            log.info("%s %s", fate, held.member)
    return worst


def _carry_out(action: str, held: Held, quarantine: Quarantine, folders: dict[str, Path]) -> str:
    if action == "discard":
        if held.releasing or _is_there(_folder(held, folders)):
            quarantine.take_back(held, _storage(held, folders))
        quarantine.discard(held)
        return DISCARDED
    _release(held, quarantine, _storage(held, folders))
    return RELEASED


def _release(held: Held, quarantine: Quarantine, storage: Path) -> None:
    try:
        quarantine.release(held, storage)
    except StateError as error:
        if held.releasing:  # by a command that was cut short
            raise
        try:
            quarantine.take_back(held, storage)
        except StateError:
            raise StateError(f"{error}: the next run tries again to release it") from error
        raise


def _storage(held: Held, folders: dict[str, Path]) -> Path:
    folder = _folder(held, folders)
    if folder is None:
        raise StateError(f"{held.member}: {names.split(held.member)[0]}_storage is not configured")
    if not _is_there(folder):
        raise StateError(f"{held.member}: {folder} is no folder, or is not there now")
    return folder


def _folder(held: Held, folders: dict[str, Path]) -> Path | None:
    return folders.get(names.split(held.member)[0])


def _is_there(folder: Path | None) -> bool:
    try:
        return folder is not None and folder.is_dir()
    except OSError as error:
        raise StateError(f"{folder}: {error.strerror}") from error

"""Makes and renews the index file.

An index file is written once and never changed: a renewed one is made beside it, from a copy, and renamed over it. So
readers need no lock, and a crash leaves the old file. One process builds at a time; the others wait for it and find
the work done. What cannot be read as an index is made anew.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from lightspeed_stack.knowledge import documents, store
from lightspeed_stack.knowledge.store import DAMAGE, Roots

log = logging.getLogger(__name__)

Identity = tuple[int, int, int, int]


def identity(path: Path) -> Identity:
    """Which file this is: another one after each renewal."""
    stat = os.stat(path)
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size


def refresh(
    path: Path, directories: Iterable[Path], added: Iterable[Path] = (), distrusted: Identity | None = None
) -> bool:
    """Bring the index up to date with `directories` and with all that was ever `added`; tell whether it changed.

    Other directories that it holds stay as they are. A `distrusted` file is made anew, unless somebody did already.
    Raises OSError.
    """
    wanted = [os.path.abspath(directory) for directory in directories]
    remembered = [os.path.abspath(directory) for directory in added]
    if distrusted is None and not remembered and _outdated(path, wanted) is None:
        return False
    with _lock(path):
        if distrusted and path.exists() and identity(path) == distrusted:
            remembered += _contents(path)[1]
            path.unlink()
        outdated = _outdated(path, wanted, remembered)
        if outdated is not None:
            _renew(path, outdated, remembered)
        return outdated is not None


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock")
    with os.fdopen(os.open(lock, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)) as file:
        _give(lock)
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _give(file: Path) -> None:
    """Let what root made belong to the service, whose directory it is in."""
    if os.geteuid() == 0:
        owner = os.stat(file.parent)
        os.chown(file, owner.st_uid, owner.st_gid)


def _outdated(path: Path, wanted: Sequence[str], remembered: Sequence[str] = ()) -> Roots | None:
    """The directories as they are now, or None when the index has them so already."""
    known, added = _contents(path)
    now = {root: documents.find(Path(root)) for root in dict.fromkeys((*wanted, *remembered, *added))}
    same = added.issuperset(remembered) and all(known.get(root) == files for root, files in now.items())
    return None if same and known else now


def _contents(path: Path) -> tuple[Roots, set[str]]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            return store.contents(connection)
    except DAMAGE:
        return {}, set()


def _renew(path: Path, wanted: Roots, remembered: Sequence[str]) -> None:
    draft = path.with_name(f"{path.name}.draft")
    known, _ = _contents(path)
    try:
        _write(path if known else None, draft, known, wanted, remembered)
    except (sqlite3.DatabaseError, TypeError) as error:
        log.warning("the document index is built anew: %s", error)
        _write(None, draft, {}, wanted, remembered)
    _give(draft)
    os.replace(draft, path)


def _write(copy: Path | None, draft: Path, known: Roots, wanted: Roots, remembered: Sequence[str]) -> None:
    draft.unlink(missing_ok=True)
    if copy:
        shutil.copyfile(copy, draft)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.executescript("PRAGMA main.journal_mode = MEMORY; PRAGMA main.synchronous = OFF;")
        store.prepare(connection, empty=copy is None)
        connection.execute("BEGIN")
        for root, files in wanted.items():
            store.update(connection, root, known.get(root, {}), files)
        for root in remembered:
            store.mark_added(connection, root)
        store.finish(connection)
        connection.execute("COMMIT")

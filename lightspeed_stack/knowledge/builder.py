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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from lightspeed_stack.knowledge import documents
from lightspeed_stack.knowledge.documents import Passage, Stamp
from lightspeed_stack.knowledge.words import informative

log = logging.getLogger(__name__)

VERSION = 1
TOKENIZER = "porter unicode61 remove_diacritics 2"
_SCHEMA = f"""
CREATE TABLE roots (id INTEGER PRIMARY KEY, path TEXT UNIQUE, added INTEGER);
CREATE TABLE files (id INTEGER PRIMARY KEY, root INTEGER, path TEXT, mtime_ns INTEGER, size INTEGER, UNIQUE (root, path));
CREATE TABLE passages (id INTEGER PRIMARY KEY, file INTEGER, length INTEGER, url TEXT, title TEXT, head TEXT, body TEXT);
CREATE TABLE totals (passages INTEGER, length REAL);
CREATE INDEX passages_of_file ON passages (file);
CREATE VIRTUAL TABLE words USING fts5(title, keywords, body, tokenize='{TOKENIZER}');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, row);
PRAGMA user_version = {VERSION};
"""
_SCRATCH = f"""
PRAGMA temp_store = MEMORY;
CREATE VIRTUAL TABLE temp.scratch USING fts5(text, tokenize='{TOKENIZER}');
CREATE VIRTUAL TABLE temp.stems USING fts5vocab(temp, scratch, instance);
"""

Roots = dict[str, dict[str, Stamp]]


def refresh(path: Path, directories: Iterable[Path], added: Iterable[Path] = (), anew: bool = False) -> bool:
    """Bring the index up to date with `directories` and with all that was ever `added`; tell whether it changed.

    Other directories that it holds stay as they are. `anew` distrusts the file. Raises OSError.
    """
    wanted = [os.path.abspath(directory) for directory in directories]
    remembered = [os.path.abspath(directory) for directory in added]
    if not anew and not remembered and _state(path, wanted) is None:
        return False
    with _lock(path):
        if anew:
            remembered += _known(path)[1]
            path.unlink(missing_ok=True)
        changed = _state(path, wanted, remembered)
        if changed is not None:
            _renew(path, changed, remembered)
        return changed is not None


def stems(connection: sqlite3.Connection, text: str) -> list[str]:
    """The words of a text as the index spells them, in their order."""
    connection.execute("BEGIN")
    try:
        connection.execute("INSERT INTO scratch VALUES (?)", (text,))
        return [term for (term,) in connection.execute("SELECT term FROM stems ORDER BY offset")]
    finally:
        connection.execute("ROLLBACK")


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection what `stems` needs."""
    connection.executescript(_SCRATCH)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f"{path.name}.lock"), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _state(path: Path, wanted: Sequence[str], remembered: Sequence[str] = ()) -> Roots | None:
    """The directories as they are now, or None when the index has them so already."""
    known, added = _known(path)
    now = {root: documents.find(Path(root)) for root in dict.fromkeys((*wanted, *remembered, *added))}
    same = added.issuperset(remembered) and all(known.get(root) == files for root, files in now.items())
    return None if same else now


def _known(path: Path) -> tuple[Roots, set[str]]:
    """What an index file holds, and which of its directories were added; nothing when there is none or it is no index."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                return {}, set()
            roots = connection.execute("SELECT id, path, added FROM roots").fetchall()
            known: Roots = {root: {} for _, root, _ in roots}
            names = {number: root for number, root, _ in roots}
            for number, file, *stamp in connection.execute("SELECT root, path, mtime_ns, size FROM files"):
                known[names[number]][file] = (stamp[0], stamp[1])
            return known, {root for _, root, added in roots if added}
    except sqlite3.Error:
        return {}, set()


def _renew(path: Path, wanted: Roots, remembered: Sequence[str]) -> None:
    draft = path.with_name(f"{path.name}.draft")
    known, _ = _known(path)
    try:
        _write(path if known else None, draft, known, wanted, remembered)
    except sqlite3.DatabaseError as error:
        log.warning("the document index is built anew: %s", error)
        _write(None, draft, {}, wanted, remembered)
    os.replace(draft, path)


def _write(copy: Path | None, draft: Path, known: Roots, wanted: Roots, remembered: Sequence[str]) -> None:
    draft.unlink(missing_ok=True)
    if copy:
        shutil.copyfile(copy, draft)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        prepare(connection)
        if not copy:
            connection.executescript(_SCHEMA)
        for root, files in wanted.items():
            _update(connection, root, known.get(root, {}), files)
        marks = ((root,) for root in remembered)
        connection.executemany("UPDATE roots SET added = 1 WHERE path = ?", marks)
        connection.execute("DELETE FROM totals")
        connection.execute("INSERT INTO totals SELECT count(*), ifnull(avg(length), 1) FROM passages")
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")


def _update(connection: sqlite3.Connection, root: str, known: Mapping[str, Stamp], files: Mapping[str, Stamp]) -> None:
    connection.execute("INSERT OR IGNORE INTO roots (path, added) VALUES (?, 0)", (root,))
    (number,) = connection.execute("SELECT id FROM roots WHERE path = ?", (root,)).fetchone()
    for file in known:
        if known[file] != files.get(file):
            _remove(connection, number, file)
    for file, stamp in files.items():
        if known.get(file) != stamp:
            _insert(connection, number, Path(root), file, stamp)


def _remove(connection: sqlite3.Connection, root: int, file: str) -> None:
    (number,) = connection.execute("SELECT id FROM files WHERE root = ? AND path = ?", (root, file)).fetchone()
    connection.execute("DELETE FROM words WHERE rowid IN (SELECT id FROM passages WHERE file = ?)", (number,))
    connection.execute("DELETE FROM passages WHERE file = ?", (number,))
    connection.execute("DELETE FROM files WHERE id = ?", (number,))


def _insert(connection: sqlite3.Connection, root: int, directory: Path, file: str, stamp: Stamp) -> None:
    try:
        passages = documents.read(directory / file)
    except OSError as error:
        log.warning("%s is not indexed: %s", directory / file, error.strerror)
        return
    cursor = connection.execute("INSERT INTO files VALUES (NULL, ?, ?, ?, ?)", (root, file, *stamp))
    for passage in passages:
        _insert_passage(connection, cursor.lastrowid, passage)


def _insert_passage(connection: sqlite3.Connection, file: int | None, passage: Passage) -> None:
    title = stems(connection, " ".join(informative(passage.title)))
    head = stems(connection, f"{passage.title} {passage.keywords}")
    body = stems(connection, passage.body)
    row = file, len(body), passage.url, " ".join(title), " ".join(dict.fromkeys(head)), " ".join(body)
    number = connection.execute("INSERT INTO passages VALUES (NULL, ?, ?, ?, ?, ?, ?)", row).lastrowid
    columns = number, passage.title, passage.keywords, passage.body
    connection.execute("INSERT INTO words (rowid, title, keywords, body) VALUES (?, ?, ?, ?)", columns)

"""The tables of an index file, and how documents come into them and go.

Works on an open connection; knows nothing of when and why.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from lightspeed_stack.knowledge import documents
from lightspeed_stack.knowledge.documents import Passage, Stamp
from lightspeed_stack.knowledge.words import informative

log = logging.getLogger(__name__)

VERSION = 2
_TOKENIZER = "porter unicode61 remove_diacritics 2"
_SCHEMA = f"""
CREATE TABLE roots (id INTEGER PRIMARY KEY, path TEXT UNIQUE, added INTEGER);
CREATE TABLE files (id INTEGER PRIMARY KEY, root INTEGER, path TEXT, mtime_ns INTEGER, size INTEGER, UNIQUE (root, path));
CREATE TABLE passages (id INTEGER PRIMARY KEY, file INTEGER, length INTEGER, url TEXT, titles TEXT, head TEXT, body TEXT, subject TEXT);
CREATE TABLE totals (passages INTEGER, length REAL);
CREATE TABLE terms (term TEXT PRIMARY KEY, passages INTEGER) WITHOUT ROWID;
CREATE INDEX passages_of_file ON passages (file);
CREATE VIRTUAL TABLE words USING fts5(title, keywords, body, tokenize='{_TOKENIZER}');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, row);
PRAGMA user_version = {VERSION};
"""
_SCRATCH = f"""
PRAGMA temp_store = MEMORY;
CREATE VIRTUAL TABLE temp.scratch USING fts5(text, tokenize='{_TOKENIZER}');
CREATE VIRTUAL TABLE temp.stems USING fts5vocab(temp, scratch, instance);
"""

# a damaged file may hold anything in any column
DAMAGE = (sqlite3.Error, OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

Roots = dict[str, dict[str, Stamp]]


def prepare(connection: sqlite3.Connection, empty: bool = False) -> None:
    """Give a connection what `stems` needs, and an `empty` file its tables."""
    connection.executescript(_SCRATCH + (_SCHEMA if empty else ""))


def stems(connection: sqlite3.Connection, *texts: str) -> tuple[list[str], ...]:
    """The words of each text as the index spells them, in their order."""
    words: tuple[list[str], ...] = tuple([] for _ in texts)
    connection.execute("SAVEPOINT stems")
    try:
        connection.executemany("INSERT INTO scratch (rowid, text) VALUES (?, ?)", enumerate(texts))
        for number, term in connection.execute("SELECT doc, term FROM stems ORDER BY doc, offset"):
            words[number].append(term)
    finally:
        connection.execute("ROLLBACK TO stems")
        connection.execute("RELEASE stems")
    return words


def contents(connection: sqlite3.Connection) -> tuple[Roots, set[str]]:
    """What is indexed, and which of the directories were added; nothing of another version's file."""
    if connection.execute("PRAGMA user_version").fetchone() != (VERSION,):
        return {}, set()
    roots = connection.execute("SELECT id, path, added FROM roots").fetchall()
    names = {number: root for number, root, _ in roots}
    files: Roots = {root: {} for root in names.values()}
    for number, file, mtime_ns, size in connection.execute("SELECT root, path, mtime_ns, size FROM files"):
        files[names[number]][file] = (mtime_ns, size)
    return files, {root for _, root, added in roots if added}


def update(connection: sqlite3.Connection, root: str, known: Mapping[str, Stamp], files: Mapping[str, Stamp]) -> None:
    """Make the documents of `root` those of `files`, of which those that are `known` with the same stamp stay."""
    connection.execute("INSERT OR IGNORE INTO roots (path, added) VALUES (?, 0)", (root,))
    (number,) = connection.execute("SELECT id FROM roots WHERE path = ?", (root,)).fetchone()
    for file in known:
        if known[file] != files.get(file):
            _remove(connection, number, file)
    for file, stamp in files.items():
        if known.get(file) != stamp:
            _insert(connection, number, Path(root), file, stamp)


def mark_added(connection: sqlite3.Connection, root: str) -> None:
    connection.execute("UPDATE roots SET added = 1 WHERE path = ?", (root,))


def finish(connection: sqlite3.Connection) -> None:
    """Sum up what readers need to know of the whole."""
    connection.execute("DELETE FROM totals")
    connection.execute("INSERT INTO totals SELECT count(*), max(ifnull(avg(length), 1), 1) FROM passages")
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    connection.execute("DELETE FROM terms")
    connection.execute("INSERT INTO terms SELECT term, doc FROM vocabulary")


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
    keywords = " ".join((passage.keywords, *passage.also))
    short = (" ".join(informative(text)) for text in (passage.title, *passage.also, passage.subject))
    *titles, subject, head, body = stems(connection, *short, f"{passage.title} {keywords}", passage.body)
    about = "\n".join(map(" ".join, titles))
    row = file, len(body), passage.url, about, " ".join(dict.fromkeys(head)), " ".join(body), " ".join(subject)
    number = connection.execute("INSERT INTO passages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row).lastrowid
    columns = number, passage.title, keywords, passage.body
    connection.execute("INSERT INTO words (rowid, title, keywords, body) VALUES (?, ?, ?, ?)", columns)

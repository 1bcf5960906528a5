"""One open connection to an index file, for one thread at a time; it never writes to the disk.

The file never changes under it (see builder), so it is opened as immutable: no lock, no journal, a small cache.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lightspeed_stack.knowledge import builder, store
from lightspeed_stack.knowledge.ranking import Candidate, score, weights
from lightspeed_stack.knowledge.spelling import may_be_misspelt, nearest
from lightspeed_stack.knowledge.words import SUBJECTS, informative
from lightspeed_stack.providers.base import Chunk

MAX_POSTINGS = 8_000
CANDIDATES = 24
MAX_MISSPELT = 4

_FREQUENCIES = "SELECT term, passages FROM terms WHERE term IN (SELECT value FROM json_each(?))"
_ALIKE = "SELECT term FROM terms WHERE term >= ?1 AND term < ?2 AND length(term) BETWEEN ?3 - 1 AND ?3 + 1 LIMIT 1000"
_CANDIDATES = """
SELECT passages.id, length, titles, head, passages.body, subject FROM words JOIN passages ON passages.id = words.rowid
JOIN files ON files.id = file JOIN roots ON roots.id = root
WHERE words MATCH ? AND (roots.added OR roots.path IN (SELECT value FROM json_each(?)))
ORDER BY bm25(words, 5.0, 3.0, 1.0) LIMIT ?
"""
_PASSAGE = """
SELECT words.title, words.body, url, roots.path, files.path FROM words JOIN passages ON passages.id = words.rowid
JOIN files ON files.id = file JOIN roots ON roots.id = root
WHERE words.rowid = ?
"""

Origin = tuple[int, builder.Identity]


def origin(path: Path) -> Origin:
    """The file that a connection of this process would read; a connection is of no use after a fork."""
    return os.getpid(), builder.identity(path)


class Reader:
    """Every method raises one of store.DAMAGE when the file is no index or is damaged."""

    def __init__(self, path: Path) -> None:
        self.of = origin(path)
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA cache_size = -256")
        store.prepare(self._connection)
        self._passages, self._length = self._connection.execute("SELECT passages, length FROM totals").fetchone()
        self._subjects = frozenset(store.stems(self._connection, SUBJECTS)[0])

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        with suppress(sqlite3.Error, AttributeError):
            self._connection.close()

    def count(self) -> tuple[int, int]:
        """Documents and passages."""
        (files,) = self._connection.execute("SELECT count(*) FROM files").fetchone()
        return files, self._passages

    def search(self, text: str, roots: Sequence[str], top_k: int, min_score: float) -> tuple[Chunk, ...]:
        frequencies = self.terms(text)
        weight = weights(frequencies, self._passages)
        candidates = self._candidates(frequencies, roots)
        found = [(score(candidate, weight, self._subjects), candidate.passage) for candidate in candidates]
        best = sorted((-points, passage) for points, passage in found if points >= min_score)
        return tuple(self._chunk(passage, -points) for points, passage in best[:top_k])

    def terms(self, text: str) -> dict[str, int]:
        """The informative words of a text as the index spells them, and in how many passages each stands.

        A misspelt one is taken for the word that it most resembles; a number that stands nowhere is left out.
        """
        stems, *_ = store.stems(self._connection, " ".join(informative(text)))
        known = self._frequencies(stems)
        strange = [stem for stem in stems if stem not in known and stem not in self._subjects and may_be_misspelt(stem)]
        corrected = {stem: self._corrected(stem) for stem in strange[:MAX_MISSPELT]}
        known |= self._frequencies(list(corrected.values()))
        stems = [corrected.get(stem, stem) for stem in stems if stem in known or not stem.isdigit()]
        return {stem: known.get(stem, 0) for stem in stems}

    def _frequencies(self, stems: Sequence[str]) -> dict[str, int]:
        return dict(self._connection.execute(_FREQUENCIES, (json.dumps(stems),)).fetchall())

    def _corrected(self, stem: str) -> str:
        rows = self._connection.execute(_ALIKE, (stem[0], chr(ord(stem[0]) + 1), len(stem)))
        found = nearest(stem, (term for (term,) in rows))
        return found if found and informative(found) else stem

    def _candidates(self, frequencies: Mapping[str, int], roots: Sequence[str]) -> list[Candidate]:
        query = _query(frequencies)
        rows = self._connection.execute(_CANDIDATES, (query, json.dumps(roots), CANDIDATES)) if query else ()
        return [
            Candidate(number, length / self._length, _sets(titles), _set(head), Counter(body.split()))
            for number, length, titles, head, body, subject in rows
            if not subject or not _set(subject).isdisjoint(frequencies)
        ]

    def _chunk(self, passage: int, points: float) -> Chunk:
        title, body, url, root, file = self._connection.execute(_PASSAGE, (passage,)).fetchone()
        source = os.path.join(os.path.basename(root), file)
        return Chunk(body, source, round(points, 4), title, url, {"document_id": source})


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _sets(lines: str) -> tuple[frozenset[str], ...]:
    return tuple(map(_set, lines.split("\n")))


def _query(frequencies: Mapping[str, int]) -> str:
    """Any of the known words, in FTS5's syntax; the commonest are left out when too many passages have them."""
    chosen: list[str] = []
    postings = 0
    for frequency, term in sorted((frequency, term) for term, frequency in frequencies.items() if frequency):
        postings += frequency
        if chosen and postings > MAX_POSTINGS:
            break
        chosen.append(f'"{term}"')
    return " OR ".join(chosen)

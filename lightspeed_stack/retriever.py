"""Finds the passages of local documents that answer a question: SQLite FTS5 with BM25, scored from 0 to 1.

The index is a file; nothing of it is held in memory. `refresh` reads the disk and may write the file; `search` only
reads it, sees a renewed one at once, and takes any text. A file that turns out to be damaged is built anew.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from lightspeed_stack import errors
from lightspeed_stack.knowledge import builder
from lightspeed_stack.knowledge.reader import Reader, origin
from lightspeed_stack.knowledge.store import DAMAGE
from lightspeed_stack.providers.base import Chunk

log = logging.getLogger(__name__)

READERS = 4

T = TypeVar("T")


class Index:
    """One index file; it may be shared by threads and processes, and by several of these objects with other directories."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._roots: tuple[str, ...] = ()
        self._idle: deque[Reader] = deque()
        self._places = threading.BoundedSemaphore(READERS)

    def refresh(self, directories: Sequence[Path]) -> bool:
        """Bring the file up to date and search these directories from now on, with all that were added; tell whether it changed.

        Raises OSError when the file cannot be written.
        """
        self._roots = tuple(dict.fromkeys(os.path.abspath(directory) for directory in directories))
        return builder.refresh(self._path, self._directories())

    def add(self, directories: Sequence[Path]) -> bool:
        """Have these directories searched too, by every user of the file, now and after every later refresh."""
        return builder.refresh(self._path, self._directories(), directories)

    def search(self, text: str, top_k: int = 4, min_score: float = 0.0) -> tuple[Chunk, ...]:
        """The best passages, best first. Raises DatabaseFailed when there is no index and none can be made."""
        return self._read(lambda reader: reader.search(text, self._roots, top_k, min_score))

    def terms(self, text: str) -> dict[str, int]:
        """The informative words of `text`, and how many passages have each; raises what `search` raises."""
        return self._read(lambda reader: reader.terms(text))

    def count(self) -> tuple[int, int]:
        """Documents and passages in the file; raises what `search` raises."""
        return self._read(Reader.count)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _directories(self) -> list[Path]:
        return [Path(root) for root in self._roots]

    def _read(self, query: Callable[[Reader], T]) -> T:
        """Ask once, and when the file is damaged or gone once more of a new one."""
        seen = self._identity()
        try:
            with self._reader() as reader:
                return query(reader)
        except DAMAGE as error:
            log.warning("the document index can't be read and is built anew: %s", error)
        try:
            builder.refresh(self._path, self._directories(), distrusted=seen)
            with self._reader() as reader:
                return query(reader)
        except DAMAGE as error:
            raise errors.DatabaseFailed("The document index can't be read.") from error

    def _identity(self) -> builder.Identity | None:
        try:
            return builder.identity(self._path)
        except OSError:
            return None

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        """A connection of this process to the file of this moment; at most READERS are open."""
        with self._places:
            reader = self._idle.pop() if self._idle else None
            if reader is None or reader.of != origin(self._path):
                reader = Reader(self._path)
            yield reader
            self._idle.append(reader)

"""The names that wait in the spool, in order of age, some thirty bytes each however many they are.

Names are collected in runs; a full run is sorted and packed, and reading merges the runs. Nothing but names is kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from lightspeed_collector import packed

RUN = 32768
BLOCK = 1024


class Backlog:
    """`add` members in any order, then iterate: by name (by age, that is), then by storage, each once.

    A folder that changes while it is listed may show a name twice.
    """

    def __init__(self) -> None:
        self._open: list[str] = []
        self._runs: list[list[bytes]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, storage: str, name: str) -> None:
        self._open.append(f"{name}/{storage}")
        self._count += 1
        if len(self._open) == RUN:
            self._pack()

    def __iter__(self) -> Iterator[str]:
        self._pack()
        last = ""
        for key in heapq.merge(*map(_unpack, self._runs)):
            if key == last:
                continue
            last = key
            name, _, storage = key.partition("/")
            yield f"{storage}/{name}"

    def _pack(self) -> None:
        if self._open:
            self._open.sort()
            starts = range(0, len(self._open), BLOCK)
            self._runs.append([packed.pack(self._open[start : start + BLOCK]) for start in starts])
            self._open = []


class Queue:
    """Members in order; what was taken can be put back at the front."""

    def __init__(self, members: Iterable[str]) -> None:
        self._rest = iter(members)
        self._front: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._front.pop() if self._front else next(self._rest)

    def is_empty(self) -> bool:
        for member in self:
            self.put_back(member)
            return False
        return True

    def put_back(self, *members: str) -> None:
        """The next members will be these, in this order."""
        self._front.extend(reversed(members))


def _unpack(blocks: Iterable[bytes]) -> Iterator[str]:
    for block in blocks:
        yield from packed.unpack(block)

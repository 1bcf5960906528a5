"""Streams that no provider tells: a refusal in one piece, and one that looks at the clock at the first token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightspeed_stack.providers.base import Chunk, Stream


class Refusal:
    usage = (0, 0)
    chunks: tuple[Chunk, ...] = ()

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[Sequence[str]]:
        yield (self._text,)

    def close(self) -> None:
        self._text = ""


class Timed:
    """`stream` itself, but `on_first` is told the seconds from `begun` (time.perf_counter) to the first token."""

    def __init__(self, stream: Stream, begun: float, on_first: Callable[[float], None]) -> None:
        self._stream = stream
        self._begun = begun
        self._on_first = on_first
        self.close = stream.close

    def __iter__(self) -> Iterator[Sequence[str]]:
        pieces = iter(self._stream)
        for tokens in pieces:
            if tokens:
                self._on_first(time.perf_counter() - self._begun)
                yield tokens
                break
            yield tokens
        yield from pieces

    @property
    def usage(self) -> tuple[int, int]:
        return self._stream.usage

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        return self._stream.chunks

"""Streams that no provider tells: a refusal in one piece, and a provider's stream that is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.providers.base import Chunk, Model, Stream


class Refusal:
    usage = (0, 0)
    chunks: tuple[Chunk, ...] = ()

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[Sequence[str]]:
        yield (self._text,)

    def close(self) -> None:
        self._text = ""


class Measured:
    """`stream` itself, but metrics learn of it: that it is being told, and when its first token came.

    `begun` is on the clock of time.perf_counter.
    """

    def __init__(self, stream: Stream, model: Model, begun: float, metrics: Metrics) -> None:
        self._stream = stream
        self._model = model
        self._begun = begun
        self._metrics = metrics
        self._told = False
        self.close = stream.close

    def __iter__(self) -> Iterator[Sequence[str]]:
        self._metrics.stream_began()
        try:
            yield from self._pieces()
        finally:
            self._metrics.stream_ended()

    def _pieces(self) -> Iterator[Sequence[str]]:
        pieces = iter(self._stream)
        for tokens in pieces:
            if tokens:
                seconds = time.perf_counter() - self._begun
                self._metrics.first_token(self._model.provider, self._model.name, seconds)
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

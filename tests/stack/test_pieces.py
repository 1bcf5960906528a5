from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from lightspeed_stack import pieces
from lightspeed_stack.metrics import Metrics
from lightspeed_stack.providers.base import Chunk, Model

MODEL = Model("p", "m")


class Script:
    """A stream of what it was given."""

    usage = (1, 2)
    chunks: tuple[Chunk, ...] = ()

    def __init__(self, *said: Sequence[str]) -> None:
        self._said = said
        self.closed = 0

    def __iter__(self) -> Iterator[Sequence[str]]:
        yield from self._said

    def close(self) -> None:
        self.closed += 1


def told(metrics: Metrics) -> str:
    return metrics.render()[0].decode()


def test_a_refusal_is_one_piece() -> None:
    refusal = pieces.Refusal("No.")
    assert list(refusal) == [("No.",)]
    assert (refusal.usage, refusal.chunks) == ((0, 0), ())
    refusal.close()
    refusal.close()


def test_what_is_measured_is_told_unchanged() -> None:
    script = Script((), ("a", "b"), (), ("c",))
    measured = pieces.Measured(script, MODEL, time.perf_counter(), Metrics(None))
    assert list(measured) == [(), ("a", "b"), (), ("c",)]
    assert (measured.usage, measured.chunks) == ((1, 2), ())
    measured.close()
    assert script.closed == 1


def test_the_first_token_is_timed_once() -> None:
    metrics = Metrics(None)
    list(pieces.Measured(Script((), ("a",), ("b",)), MODEL, time.perf_counter() - 0.5, metrics))
    assert 'ls_time_to_first_token_seconds_count{model="m",provider="p"} 1.0' in told(metrics)
    assert 'ls_time_to_first_token_seconds_bucket{le="0.25",model="m",provider="p"} 0.0' in told(metrics)


def test_a_stream_without_a_token_is_not_timed() -> None:
    metrics = Metrics(None)
    list(pieces.Measured(Script(()), MODEL, time.perf_counter(), metrics))
    assert "ls_time_to_first_token_seconds_count{" not in told(metrics)


def test_it_is_in_progress_while_it_is_told() -> None:
    metrics = Metrics(None)
    telling = iter(pieces.Measured(Script(("a",), ("b",)), MODEL, time.perf_counter(), metrics))
    next(telling)
    assert "ls_streams_in_progress 1.0" in told(metrics)
    del telling
    assert "ls_streams_in_progress 0.0" in told(metrics)

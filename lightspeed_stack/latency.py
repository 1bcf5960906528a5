"""How long providers take, from the metrics' histograms. Pure: samples in, a line for each model out.

A quantile is interpolated within its bucket, as Prometheus' histogram_quantile does; one beyond the last bucket is
told as that bucket's bound.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SECONDS = "ls_provider_latency_seconds"
FAILURES = "ls_llm_calls_failures_total"

Sample = tuple[str, Mapping[str, str], float]
Bucket = tuple[float, float]


@dataclass(frozen=True)
class Latency:
    """Seconds are None while there is no answer."""

    provider: str
    model: str
    answers: int
    failures: int
    mean_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None


class _Found:
    def __init__(self) -> None:
        self.buckets: list[Bucket] = []
        self.sum = 0.0
        self.answers = 0.0
        self.failures = 0.0


def table(samples: Iterable[Sample]) -> list[Latency]:
    """By provider and model."""
    found: dict[tuple[str, str], _Found] = defaultdict(_Found)
    for name, labels, value in samples:
        if name.startswith((SECONDS, FAILURES)):
            _take(found[labels["provider"], labels["model"]], name, labels, value)
    return [_line(provider, model, found[provider, model]) for provider, model in sorted(found)]


def quantile(share: float, buckets: Sequence[Bucket]) -> float | None:
    """Below which `share` of what was measured lies; `buckets` are (upper bound, how many lie below it), the last infinite."""
    ordered = sorted(buckets)
    total = ordered[-1][1] if ordered else 0
    if not total:
        return None
    lower, below = 0.0, 0.0
    for bound, upto in ordered:
        if upto >= share * total and upto > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (share * total - below) / (upto - below)
        lower, below = bound, upto
    return lower


def _take(found: _Found, name: str, labels: Mapping[str, str], value: float) -> None:
    match name.removeprefix(SECONDS):
        case "_bucket":
            found.buckets.append((float(labels["le"]), value))
        case "_sum":
            found.sum += value
        case "_count":
            found.answers += value
        case "ls_llm_calls_failures_total":
            found.failures += value


def _line(provider: str, model: str, found: _Found) -> Latency:
    return Latency(
        provider,
        model,
        int(found.answers),
        int(found.failures),
        found.sum / found.answers if found.answers else None,
        quantile(0.5, found.buckets),
        quantile(0.95, found.buckets),
    )

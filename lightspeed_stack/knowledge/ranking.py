"""How well a passage answers a question, from 0 to 1.

Pure. BM25F (Robertson and Zaragoza, 2009) orders passages but has no upper end, so it cannot tell a question that no
passage covers from one of few words. Divided by the most that the question's words could earn, it is the covered
part of the question. That is weighed by the evidence: how much was covered at all, in words as rare as any, and how
much of the passage's title the question names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

HEAD = 3.0
SATURATION = 1.2
LENGTH = 0.75
COVERAGE = 0.75
ENOUGH = 0.5


@dataclass(frozen=True)
class Candidate:
    """`length` is relative to the average; `head` is title and keywords, `body` counts its words."""

    passage: int
    length: float
    title: frozenset[str]
    head: frozenset[str]
    body: Mapping[str, int]


def weights(frequencies: Mapping[str, int], passages: int) -> dict[str, float]:
    """The rarer a word the more it weighs, 1 for one that a single passage has, or none."""
    rarest = _idf(1, passages)
    return {term: _idf(max(count, 1), passages) / rarest for term, count in frequencies.items()}


def score(candidate: Candidate, weight: Mapping[str, float]) -> float:
    earned = sum(value * _presence(term, candidate) for term, value in weight.items())
    if not earned:
        return 0.0
    evidence = earned + len(candidate.title & weight.keys()) / max(len(candidate.title), 1)
    return float((earned / sum(weight.values())) ** COVERAGE * evidence / (evidence + ENOUGH))


def _presence(term: str, candidate: Candidate) -> float:
    frequency = HEAD * (term in candidate.head)
    frequency += candidate.body.get(term, 0) / (1 - LENGTH + LENGTH * candidate.length)
    return frequency / (frequency + SATURATION)


def _idf(frequency: int, passages: int) -> float:
    return math.log(1 + (passages - frequency + 0.5) / (frequency + 0.5))

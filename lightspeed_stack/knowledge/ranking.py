"""How well a passage answers a question, from 0 to 1.

Pure. BM25F (Robertson and Zaragoza, 2009) orders passages but has no upper end, so it cannot tell a question that no
passage covers from one of few words. Divided by the most that the question's words could earn, it is the covered
part of the question. That is weighed by the evidence: how much was covered at all, in words as rare as any, and how
well the best of the passage's titles agrees with the question. So a plain question gets the plain answer, and not one
that is about a special case of the same thing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass

TITLE = 0.5
HEAD = 10.0
SATURATION = 1.2
LENGTH = 0.75
COVERAGE = 0.5
ENOUGH = 1.0
MISSED = 2.0


@dataclass(frozen=True)
class Candidate:
    """`length` is relative to the average; `head` is titles and keywords, `body` counts its words."""

    passage: int
    length: float
    titles: tuple[frozenset[str], ...]
    head: frozenset[str]
    body: Mapping[str, int]


def weights(frequencies: Mapping[str, int], passages: int) -> dict[str, float]:
    """The rarer a word the more it weighs, 1 for one that a single passage has, or none."""
    rarest = _idf(1, passages)
    return {term: _idf(max(count, 1), passages) / rarest for term, count in frequencies.items()}


def score(candidate: Candidate, weight: Mapping[str, float], subjects: Set[str] = frozenset()) -> float:
    """`subjects` are words that count only in a title, and there against every candidate that is about something else."""
    missed = (weight.keys() & subjects).difference(*candidate.titles)
    earned = sum(value * _presence(term, candidate) for term, value in weight.items() if term not in missed)
    if not earned:
        return 0.0
    evidence = earned + TITLE * max((_named(title, weight) for title in candidate.titles), default=0.0)
    possible = sum(weight.values()) + MISSED * len(missed)
    return float((earned / possible) ** COVERAGE * evidence / (evidence + ENOUGH))


def _named(title: frozenset[str], weight: Mapping[str, float]) -> float:
    """How much of the title the question names, and, half as important, how much of the question the title."""
    named = title & weight.keys()
    if not named:
        return 0.0
    return float(len(named) / len(title) * (sum(weight[term] for term in named) / sum(weight.values())) ** 0.5)


def _presence(term: str, candidate: Candidate) -> float:
    frequency = HEAD * (term in candidate.head)
    frequency += candidate.body.get(term, 0) / (1 - LENGTH + LENGTH * candidate.length)
    return frequency / (frequency + SATURATION)


def _idf(frequency: int, passages: int) -> float:
    return math.log(1 + (passages - frequency + 0.5) / (frequency + 0.5))

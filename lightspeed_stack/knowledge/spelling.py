"""Misspelt words: the nearest word that is known.

Pure. A word is taken for another only when they begin with the same letter and all but one or two letters agree
(Ratcliff and Obershelp's measure, as difflib has it). Short words and those with digits are what they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHORTEST = 5
ALIKE = 0.8


def may_be_misspelt(word: str) -> bool:
    return len(word) >= SHORTEST and word.isalpha()


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The likeliest of the words that begin like `word` and are about as long, or None."""
    alike = [other for other in known if other[0] == word[0] and abs(len(other) - len(word)) <= 1]
    return next(iter(difflib.get_close_matches(word, alike, 1, ALIKE)), None)

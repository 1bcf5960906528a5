"""Which words are taken for which."""

from __future__ import annotations

import pytest

from lightspeed_stack.knowledge.spelling import may_be_misspelt, nearest

KNOWN = ["firewal", "nginx", "password", "systemctl", "snapshot", "service", "nginxctl"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("pasword", "password"),
        ("passwrod", "password"),
        ("ngnix", "nginx"),
        ("systmctl", "systemctl"),
        ("snapshott", "snapshot"),
        ("servise", "service"),
    ],
)
def test_a_letter_too_few_too_many_or_out_of_place(word: str, meant: str) -> None:
    assert nearest(word, KNOWN) == meant


@pytest.mark.parametrize("word", ["unicorn", "wassword", "pass", "swordpas", "kubernetes"])
def test_other_words_stay_what_they_are(word: str) -> None:
    assert nearest(word, KNOWN) is None


@pytest.mark.parametrize(("word", "may"), [("disk", False), ("sdb12345", False), ("iptables", True)])
def test_short_words_and_names_with_digits_are_never_corrected(word: str, may: bool) -> None:
    assert may_be_misspelt(word) is may

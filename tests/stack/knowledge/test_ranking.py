"""The score: what makes one passage a better answer than another, and a question covered at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.knowledge.ranking import Candidate, score, weights

WORDS = ["restart", "nginx", "disk", "full", "port"]


def candidate(title: str = "", keywords: str = "", body: str = "", length: float = 1.0) -> Candidate:
    head = frozenset(f"{title} {keywords}".split())
    return Candidate(1, length, (frozenset(title.split()),), head, Counter(body.split()))


def points(found: Candidate, question: str, frequencies: dict[str, int] | None = None, passages: int = 100) -> float:
    given_frequencies = {word: (frequencies or {}).get(word, 3) for word in question.split()}
    return score(found, weights(given_frequencies, passages))


def test_rare_words_weigh_more_and_unknown_ones_as_much_as_any() -> None:
    weight = weights({"rare": 1, "common": 60, "unknown": 0}, 100)
    assert weight["rare"] == weight["unknown"] == 1.0
    assert 0 < weight["common"] < 0.2


def test_title_beats_keywords_and_keywords_beat_body() -> None:
    in_title, in_keywords = candidate(title="restart nginx"), candidate(keywords="restart nginx")
    in_body = candidate(body="restart nginx")
    scores = [points(found, "restart nginx") for found in (in_title, in_keywords, in_body)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[1] > scores[2]


def test_what_covers_more_of_the_question_is_better() -> None:
    assert points(candidate(keywords="disk full"), "disk full") > points(candidate(keywords="disk"), "disk full")


def test_words_that_nobody_knows_count_against_an_answer() -> None:
    known, with_unknown = "restart nginx", "restart nginx kubernetes helm"
    frequencies = {"kubernetes": 0, "helm": 0}
    found = candidate(keywords="restart nginx")
    assert points(found, with_unknown, frequencies) < points(found, known)


def test_one_common_word_is_little_evidence() -> None:
    common = points(candidate(body="full"), "full", {"full": 70})
    rare = points(candidate(body="full"), "full", {"full": 1})
    assert common < 0.05 < 0.2 < rare


def test_question_that_is_the_title_needs_no_rare_words() -> None:
    frequencies = {"list": 40, "disk": 40}
    assert points(candidate(title="list disk"), "list disk", frequencies) > 0.4


def test_plain_question_gets_the_plain_answer() -> None:
    plain, special = candidate(title="restart service"), candidate(title="restart service crash")
    assert points(plain, "restart service") > points(special, "restart service")
    assert points(plain, "restart service crash") < points(special, "restart service crash")


def test_best_of_several_titles_counts() -> None:
    one, two = candidate(title="df", keywords="disk full"), candidate(title="df", keywords="disk full")
    several = replace(two, titles=(*two.titles, frozenset(["disk", "full"])))
    assert points(several, "disk full") > points(one, "disk full")


def test_subject_counts_only_in_a_title_and_against_all_others() -> None:
    weight = weights({"restart": 3, "kubernetes": 3}, 100)
    subjects = frozenset(["kubernetes"])
    titled, mentions = candidate(title="restart kubernetes"), candidate(title="restart", keywords="kubernetes")
    assert score(titled, weight, subjects) == score(titled, weight)
    assert score(mentions, weight, subjects) < score(candidate(title="restart"), weight)


def test_mention_in_a_long_body_counts_less_than_in_a_short_one() -> None:
    short, long = candidate(body="nginx", length=0.5), candidate(body="nginx", length=4.0)
    assert points(short, "nginx") > points(long, "nginx")


def test_nothing_in_common_is_nothing() -> None:
    assert points(candidate(title="disk full"), "restart nginx") == 0.0
    assert score(candidate(title="disk"), {}) == 0.0


@given(
    question=st.lists(st.sampled_from(WORDS), min_size=1),
    title=st.lists(st.sampled_from(WORDS)),
    body=st.lists(st.sampled_from(WORDS)),
    frequencies=st.dictionaries(st.sampled_from(WORDS), st.integers(0, 5)),
    length=st.floats(0, 100),
)
def test_score_is_always_from_0_to_1(
    question: list[str], title: list[str], body: list[str], frequencies: dict[str, int], length: float
) -> None:
    found = candidate(title=" ".join(title), body=" ".join(body), length=length)
    assert 0.0 <= points(found, " ".join(question), frequencies, passages=5) <= 1.0


@pytest.mark.parametrize("passages", [1, 2, 100, 1_000_000])
def test_full_match_scores_high_in_a_corpus_of_any_size(passages: int) -> None:
    found = candidate(title="restart nginx")
    assert points(found, "restart nginx", {"restart": 1, "nginx": 1}, passages) > 0.5

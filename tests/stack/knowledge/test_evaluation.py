"""The committed questions: the goals hold, the threshold is the one that they choose, and the page tells these figures."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lightspeed_stack.knowledge import CARDS
from lightspeed_stack.providers.embedded import THRESHOLD
from lightspeed_stack.retriever import Index

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def evaluate() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "bench" / "knowledge" / "evaluate.py"))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = Index(tmp_path_factory.mktemp("state") / "documents.db")
    index.refresh([CARDS])
    return index


@pytest.fixture(scope="module")
def outcomes(evaluate: dict[str, Any], index: Index) -> Sequence[Any]:
    answered: Sequence[Any] = evaluate["ask"](index, evaluate["read"]("questions.tsv"))
    return answered


@pytest.fixture(scope="module")
def independent(evaluate: dict[str, Any], index: Index) -> Sequence[Any]:
    answered: Sequence[Any] = evaluate["ask"](index, evaluate["read"]("independent.tsv"))
    return answered


def test_there_are_enough_questions_and_half_are_not_covered(outcomes: Sequence[Any]) -> None:
    assert len(outcomes) >= 150
    assert 0.4 <= sum(outcome.covered for outcome in outcomes) / len(outcomes) <= 0.6
    assert sum(outcome.expected == "!" for outcome in outcomes) >= 10


def test_every_expected_card_exists(outcomes: Sequence[Any], independent: Sequence[Any]) -> None:
    expected = {
        slug for outcome in (*outcomes, *independent) if outcome.covered for slug in outcome.expected.split(",")
    }
    assert expected <= {file.stem for file in CARDS.glob("*.md")}


@pytest.mark.parametrize(("measure", "goal"), [("right", 0.90), ("refused", 0.95)])
def test_goal_holds_on_the_half_that_chose_nothing(
    evaluate: dict[str, Any], outcomes: Sequence[Any], measure: str, goal: float
) -> None:
    figure: Callable[..., float] = evaluate[measure]
    reached = figure(outcomes[::2], THRESHOLD)
    assert reached >= goal
    assert f"| {reached:.1%} | ≥ {goal * 100:.0f} % |" in (ROOT / "docs" / "knowledge.md").read_text()


@pytest.mark.parametrize(("measure", "goal"), [("right", 0.90), ("refused", 0.95)])
def test_goal_holds_on_the_independent_half_that_nobody_reads(
    evaluate: dict[str, Any], independent: Sequence[Any], measure: str, goal: float
) -> None:
    figure: Callable[..., float] = evaluate[measure]
    reached = figure(evaluate["half"](independent, second=True), THRESHOLD)
    assert reached >= goal
    assert f"| {reached:.1%} | ≥ {goal * 100:.0f} % |" in (ROOT / "docs" / "knowledge.md").read_text()


def test_threshold_is_the_one_that_the_other_halves_choose(
    evaluate: dict[str, Any], outcomes: Sequence[Any], independent: Sequence[Any]
) -> None:
    assert evaluate["choose"]([*outcomes[1::2], *evaluate["half"](independent, second=False)]) == THRESHOLD

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from lightspeed_stack import calls, config
from lightspeed_stack.conversations import Turn
from lightspeed_stack.providers import Registry
from lightspeed_stack.providers.base import Answer, Call, Client, Message, Model, Stream
from lightspeed_stack.scope import Scope

REFUSAL = "Only about nginx."


class Judge:
    """A provider that always says the same and keeps what it was asked."""

    def __init__(self, name: str, verdict: str) -> None:
        self.name = name
        self.verdict = verdict
        self.asked: list[tuple[Sequence[Message], str]] = []

    def models(self) -> Sequence[Model]:
        return (Model(self.name, "m"),)

    def ask(self, messages: Sequence[Message], model: str, call: Call | None = None) -> Answer:
        assert call is not None
        assert not call.patient, "a judge that is silent is not waited for as long"
        self.asked.append((messages, model))
        return Answer(self.verdict, 0, 0)

    def stream(self, messages: Sequence[Message], model: str, client: Client | None = None) -> Stream:
        raise AssertionError("a verdict is asked for in one piece")

    def health(self) -> str | None:
        return None


def settings(mode: str, provider: str | None = None, model: str | None = None) -> config.QueryValidity:
    return config.QueryValidity(mode, ("nginx",), "nginx", REFUSAL, provider, model)


def refusal(validity: config.QueryValidity, chosen: Judge, other: Judge, *turns: Turn) -> str | None:
    registry = Registry((chosen, other), chosen.name, None, {})
    return Scope(validity, registry).refusal(
        "And then?", turns, chosen, Model(chosen.name, "m"), calls.Call(patient=False)
    )


def test_off() -> None:
    chosen, other = Judge("a", "NO"), Judge("b", "NO")
    assert refusal(settings("off"), chosen, other) is None
    assert not chosen.asked


@pytest.mark.parametrize(("verdict", "expected"), [("YES", None), ("NO", REFUSAL), ("Perhaps", None)])
def test_the_model_that_would_answer_judges(verdict: str, expected: str | None) -> None:
    chosen, other = Judge("a", verdict), Judge("b", "NO")
    assert refusal(settings("provider"), chosen, other) == expected
    assert (len(chosen.asked), len(other.asked)) == (1, 0)


def test_another_may_judge() -> None:
    chosen, other = Judge("a", "YES"), Judge("b", "NO")
    assert refusal(settings("provider", "b", "m"), chosen, other) == REFUSAL
    assert (len(chosen.asked), len(other.asked)) == (0, 1)


@pytest.mark.parametrize(
    ("provider", "model", "judge", "asked"),
    [("b", None, "b", "m"), (None, "small", "a", "small"), ("b", "small", "b", "small")],
)
def test_either_name_will_do(provider: str | None, model: str | None, judge: str, asked: str) -> None:
    judges = Judge("a", "NO"), Judge("b", "NO")
    assert refusal(settings("provider", provider, model), *judges) == REFUSAL
    assert {one.name: [name for _, name in one.asked] for one in judges if one.asked} == {judge: [asked]}


def test_one_that_is_not_there_lets_pass(caplog: pytest.LogCaptureFixture) -> None:
    chosen, other = Judge("a", "NO"), Judge("b", "NO")
    assert refusal(settings("provider", "c", "m"), chosen, other) is None
    assert "it is let through" in caplog.text


def test_the_question_before_counts() -> None:
    chosen, other = Judge("a", ""), Judge("b", "")
    turn = Turn("How do I restart nginx?", "So.", "a", "m", datetime.now(UTC), datetime.now(UTC))
    assert refusal(settings("keywords"), chosen, other) == REFUSAL
    assert refusal(settings("keywords"), chosen, other, turn) is None

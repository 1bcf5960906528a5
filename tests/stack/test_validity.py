from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import errors, validity
from lightspeed_stack.config import QueryValidity
from lightspeed_stack.providers.base import Message


def config(mode: str, *keywords: str, topic: str = "Linux services") -> QueryValidity:
    return QueryValidity(mode, keywords, topic, "No.", None, None)


def unasked(messages: Sequence[Message]) -> str:
    pytest.fail("the model was asked")


def in_scope(question: str, *keywords: str, previous: str | None = None) -> bool:
    return validity.check(question, config("keywords", *keywords), unasked, previous)


class Judge:
    """A model that always says the same."""

    def __init__(self, answer: str | errors.Error) -> None:
        self._answer = answer
        self.asked: list[Sequence[Message]] = []

    def __call__(self, messages: Sequence[Message]) -> str:
        self.asked.append(messages)
        if isinstance(self._answer, errors.Error):
            raise self._answer
        return self._answer


def test_off_takes_everything() -> None:
    assert validity.check("Sing!", config("off"), unasked) is True


@pytest.mark.parametrize(
    ("question", "keyword"),
    [
        ("How do I restart a SERVICE?", "service"),
        ("services", "service"),
        ("one service", "services"),
        ("which policies apply", "policy"),
        ("the boxes and caches", "box"),
        ("the boxes and caches", "cache"),
        ("systemd's journal", "systemd"),
        ("about SELinux, please", "selinux"),
        ("what is a load-balancer?", "load balancer"),
        ("two load balancers", "load balancer"),
        ("my node.js app", "Node.js"),
        ("writing C++ here", "c++"),
        ("jak nastavit síť?", "sit"),
        ("STRASSE", "straße"),
        ("如何配置网络接口", "网络"),
        ("\uff44\uff4e\uff46", "dnf"),
    ],
)
def test_a_keyword_is_found(question: str, keyword: str) -> None:
    assert in_scope(question, "other", keyword) is True


@pytest.mark.parametrize(
    ("question", "keyword"),
    [
        ("How do I cook rice?", "service"),
        ("servicewoman", "service"),
        ("microservice", "service"),
        ("balancer of load", "load balancer"),
        ("vitamin c", "c++"),
        ("glasses", "glas"),
        ("", "service"),
        ("anything", "?!"),
    ],
)
def test_no_keyword_is_found(question: str, keyword: str) -> None:
    assert in_scope(question, keyword) is False


def test_a_short_question_may_go_on_with_a_conversation() -> None:
    assert in_scope("and how do I undo it?", "service", previous="How do I mask a service?") is True
    assert in_scope("and how do I undo it?", "service") is False


def test_a_long_question_needs_a_keyword_in_a_conversation_too() -> None:
    question = "now write a poem of four verses about the sea please"
    assert in_scope(question, "service", previous="How do I mask a service?") is False


@pytest.mark.parametrize("answer", ["YES", "yes.", "**Yes**, it does.", "<think>no, wait</think>\nYES", " Yes\nNO"])
def test_a_model_lets_through(answer: str) -> None:
    assert validity.check("Why?", config("provider"), Judge(answer)) is True


@pytest.mark.parametrize("answer", ["NO", "No.", "`no`", "<think>\nyes?\n</think>\n\nNO", "No, yes"])
def test_a_model_refuses(answer: str) -> None:
    assert validity.check("Why?", config("provider"), Judge(answer)) is False


@pytest.mark.parametrize(
    "answer", [errors.ProviderUnavailable(), errors.QuotaExceeded(), "", "Perhaps", "42", "NOBODY"]
)
def test_without_a_verdict_a_question_is_let_through_and_counted(answer: str | errors.Error) -> None:
    failures: list[str] = []
    judge = Judge(answer)
    assert validity.check("Why?", config("provider"), judge, None, lambda: failures.append("failed")) is True
    assert failures == ["failed"]


def test_a_verdict_is_no_failure() -> None:
    failures: list[str] = []
    validity.check("Why?", config("provider"), Judge("NO"), None, lambda: failures.append("failed"))
    assert failures == []


def test_the_model_is_told_topic_question_and_context() -> None:
    judge = Judge("YES")
    validity.check("And then?", config("provider", topic="Boats {and} ships"), judge, "What is a keel?")
    [(system, user)] = judge.asked
    assert (system.role, user.role) == ("system", "user")
    assert "Boats {and} ships" in str(system.content)
    assert str(user.content).index("What is a keel?") < str(user.content).index("And then?")


def test_a_long_question_is_cut_for_the_model() -> None:
    judge = Judge("YES")
    validity.check("start " + "x" * 100_000 + " end", config("provider"), judge)
    [(_, user)] = judge.asked
    assert len(user.content) < 5000
    assert "start" in user.content
    assert "end" in user.content


@given(st.text(st.characters()), st.lists(st.text(st.characters(), min_size=1), max_size=3))
def test_any_text_gets_a_verdict(question: str, keywords: list[str]) -> None:
    assert in_scope(question, *keywords) in (True, False)


@given(st.text(st.characters()))
def test_any_answer_of_a_model_gets_a_verdict(answer: str) -> None:
    assert validity.check("Why?", config("provider"), Judge(answer)) in (True, False)


def test_a_megabyte_is_read_in_a_moment() -> None:
    start = time.process_time()
    in_scope("load " * 200_000, *(f"load balancer {number}" for number in range(20)))
    assert time.process_time() - start < 2

"""The JSON of chat completions, as it should be and as it comes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.providers import completions
from lightspeed_stack.providers.base import Answer, Message
from lightspeed_stack.providers.completions import Delta, Nonsense, Reported

SYSTEM = Message("system", "Be brief.")
USER = Message("user", ({"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:,"}}))


def test_a_question() -> None:
    assert json.loads(completions.question([SYSTEM, USER], "m")) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:,"}}],
            },
        ],
        "stream": False,
    }


def test_a_question_to_be_streamed_asks_for_the_token_counts() -> None:
    body = json.loads(completions.question([SYSTEM], "m", stream=True, usage=True))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


def completion(**message: object) -> dict[str, object]:
    return {"choices": [{"message": {"role": "assistant", **message}}]}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (completion(content="hi"), Answer("hi", 0, 0)),
        (completion(content=None), Answer("", 0, 0)),
        (completion(), Answer("", 0, 0)),
        ({**completion(content="hi"), "usage": {"prompt_tokens": 3, "completion_tokens": 4}}, Answer("hi", 3, 4)),
        ({**completion(content="hi"), "usage": {"prompt_tokens": -3, "completion_tokens": "4"}}, Answer("hi", 0, 0)),
        ({**completion(content="hi"), "usage": {"prompt_tokens": 10**400, "completion_tokens": 4}}, Answer("hi", 0, 4)),
        ({**completion(content="hi"), "usage": None, "error": None}, Answer("hi", 0, 0)),
        (completion(content="\ud83d\udc0e"), Answer("🐎", 0, 0)),
        (completion(content="a\ud83d"), Answer("a\ufffd", 0, 0)),
    ],
)
def test_answers(body: object, answer: Answer) -> None:
    assert completions.answer(json.dumps(body)) == answer


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "{}",
        '{"choices": {}}',
        '{"choices": []}',
        '{"choices": ["x"]}',
        '{"choices": [{}]}',
        "[" * 100_000,
        '{"choices": [{"message": "x"}]}',
        '{"choices": [{"message": {"content": ["x"]}}]}',
    ],
)
def test_nonsense(body: str) -> None:
    with pytest.raises(Nonsense):
        completions.answer(body)


@pytest.mark.parametrize("error", ["overloaded", {"message": "overloaded", "code": 500}])
def test_a_failure_that_is_told_in_an_answer(error: object) -> None:
    with pytest.raises(Reported) as caught:
        completions.delta(json.dumps({"error": error}))
    assert "overloaded" in caught.value.text
    assert "overloaded" not in str(caught.value)


@pytest.mark.parametrize(
    ("event", "delta"),
    [
        ({"choices": [{"delta": {"content": "x"}, "finish_reason": None}]}, Delta("x", False, None)),
        ({"choices": [{"delta": {}, "finish_reason": "stop"}]}, Delta("", True, None)),
        ({"choices": [{"delta": {"content": None}}]}, Delta("", False, None)),
        ({"choices": [{}]}, Delta("", False, None)),
        ({"choices": [{"delta": {"tool_calls": [{"id": "1"}]}}]}, Delta("", False, None)),
        ({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}, Delta("", False, (1, 2))),
    ],
)
def test_deltas(event: object, delta: Delta) -> None:
    assert completions.delta(json.dumps(event)) == delta


def test_models() -> None:
    assert completions.models(b'{"data": [{"id": "a"}, {"id": "b", "object": "model"}, {"id": 3}, "x"]}') == ("a", "b")


def test_names_of_models_can_be_told_to_others() -> None:
    found = {"data": [{"id": "a\ud800"}, {"id": "b" * 300}, *[{"id": f"c{number}"} for number in range(20_000)]]}
    names = completions.models(json.dumps(found).encode())
    assert (names[:2], len(names)) == (("a\ufffd", "c0"), 10_000)
    assert all(name.encode() for name in names)


def test_a_list_of_models_that_is_none() -> None:
    with pytest.raises(Nonsense):
        completions.models(b'{"data": "a"}')


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["choices", "delta", "message", "content", "usage", "error"]), inner)
        ),
    )
)
def test_any_json_is_an_answer_or_nonsense(value: object) -> None:
    for read in (completions.answer, completions.delta):
        try:
            read(json.dumps(value))
        except (Nonsense, Reported):
            continue

"""What the events of a stream say, and whether it has come to its end."""

from __future__ import annotations

import pytest

from lightspeed_stack.providers.completions import Nonsense, Reported
from lightspeed_stack.providers.reader import Reader
from lightspeed_stack.providers.reply import Broken, TooBig
from tests.fakes.misbehaviours import DONE, ROLE, STOP, TOOL, USED, event, token

HELLO = token("Hello") + token(" you")


def test_tokens_that_come_together() -> None:
    reader = Reader(1000)
    assert reader.read(ROLE + HELLO) == ["Hello", " you"]
    assert not reader.finished


def test_only_text_is_told() -> None:
    assert Reader(1000).read(ROLE + TOOL + STOP + USED) == []


def test_the_end_and_the_count() -> None:
    reader = Reader(1000)
    reader.read(HELLO + STOP)
    assert (reader.finished, reader.done, reader.usage) == (True, False, (0, 0))
    reader.read(USED + DONE + token("too late"))
    assert (reader.finished, reader.done, reader.usage) == (True, True, (11, 3))
    reader.judge(told_to_end=False)


def test_an_event_without_its_blank_line() -> None:
    reader = Reader(1000)
    assert reader.read(token("Hello")[:-1]) == []
    assert reader.end() == ["Hello"]


@pytest.mark.parametrize(
    ("data", "kind"), [(b"data: {\n\n", Nonsense), (b'data: {"error": "x"}\n\n', Reported), (b"data: []\n\n", Nonsense)]
)
def test_what_came_before_a_failure_is_told(data: bytes, kind: type[Exception]) -> None:
    reader = Reader(1000)
    assert reader.read(token("Hello") + data + token("no more")) == ["Hello"]
    assert isinstance(reader.failure, kind)
    with pytest.raises(kind):
        reader.judge(told_to_end=True)


def test_a_character_that_two_tokens_share() -> None:
    reader = Reader(1000)
    assert reader.read(token("a\ud83d")) == ["a"]
    assert reader.read(token("\udc0e!")) == ["🐎!"]
    assert reader.read(token("\ud83d")) == []
    assert reader.end() == ["\ufffd"]


def test_a_stream_that_just_ends() -> None:
    reader = Reader(1000)
    with pytest.raises(Nonsense, match="no events"):
        reader.judge(told_to_end=True)
    reader.read(HELLO)
    reader.judge(told_to_end=True)
    with pytest.raises(Broken, match="broke off"):
        reader.judge(told_to_end=False)
    reader.read(STOP)
    reader.judge(told_to_end=False)


def test_text_is_counted_and_nothing_else() -> None:
    reader = Reader(10)
    assert reader.read(event({"reasoning_content": "x" * 100}) * 100) == []
    assert reader.read(token("é") * 5) == ["é"] * 5
    assert reader.failure is None
    assert reader.read(token("x") + token("y")) == []
    with pytest.raises(TooBig):
        reader.judge(told_to_end=True)


def test_an_event_that_never_ends() -> None:
    reader = Reader(10)
    for _ in range(100):
        reader.read(b"x" * 1000)
    assert isinstance(reader.failure, TooBig)


def test_many_events_are_no_long_one() -> None:
    reader = Reader(10)
    for _ in range(100):
        reader.read(token("")[:-1] + b" " * 1000)
        reader.read(b"\n\n")
    assert reader.failure is None

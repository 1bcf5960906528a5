"""Waits for answers in one piece, and their end."""

from __future__ import annotations

from lightspeed_stack.calls import Calls


def test_those_that_wait_are_ended() -> None:
    calls, ended = Calls(), []
    with calls.begin() as first, calls.begin() as second:
        first.stops_by(lambda: ended.append("first"))
        second.stops_by(lambda: ended.append("second"))
        calls.cut_short()
        assert sorted(ended) == ["first", "second"]


def test_one_that_is_over_is_left_alone() -> None:
    calls, ended = Calls(), []
    with calls.begin() as call:
        call.stops_by(lambda: ended.append("call"))
    calls.cut_short()
    assert ended == []


def test_one_that_comes_too_late_is_ended_at_once() -> None:
    calls, ended = Calls(), []
    with calls.begin() as early:
        calls.cut_short()
        early.stops_by(lambda: ended.append("early"))
    with calls.begin() as late:
        late.stops_by(lambda: ended.append("late"))
    assert ended == ["early", "late"]

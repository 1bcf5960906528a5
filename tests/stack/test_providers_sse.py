"""Server-sent events, cut anywhere."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.providers.sse import Event, Parser


def events(*pieces: bytes) -> list[Event]:
    parser = Parser()
    found = [event for piece in pieces for event in parser.feed(piece)]
    return found + parser.end()


def data(*pieces: bytes) -> list[str]:
    return [event.data for event in events(*pieces)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_ending(end: bytes) -> None:
    assert data(b"data: one", end, end, b"data: two", end, end) == ["one", "two"]


def test_lines_of_one_event_are_joined() -> None:
    assert data(b"data: a\ndata:\ndata: c\n\n") == ["a\n\nc"]


def test_only_one_space_is_taken_off() -> None:
    assert data(b"data:x\n\ndata:  y\n\n") == ["x", " y"]


def test_comments_ids_and_retries_are_no_data() -> None:
    assert data(b": hello\nid: 7\nretry: 10\nnonsense\ndata: x\n\n: bye\n\n") == ["x"]


def test_the_name_belongs_to_one_event() -> None:
    assert events(b"event: error\ndata: x\n\ndata: y\n\n") == [Event("error", "x"), Event("", "y")]


def test_an_event_without_data_is_none() -> None:
    assert events(b"event: ping\n\ndata: x\n\n") == [Event("", "x")]


def test_a_byte_order_mark_at_the_start_is_dropped() -> None:
    assert data(b"\xef", b"\xbb", b"\xbfdata: x\n\n") == ["x"]


def test_what_only_unicode_calls_a_line_end_is_text() -> None:
    text = "a\u2028b\u0085c\x0b\x0c"
    assert data(f"data: {text}\n\n".encode()) == [text]


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    assert data(b"data: a\xffb\n\n") == ["a\ufffdb"]


def test_a_character_cut_off_by_the_end() -> None:
    assert data(b"data: a\xe2\x82") == ["a\ufffd"]


def test_the_last_event_needs_no_blank_line() -> None:
    assert data(b"data: x\n") == ["x"]
    assert data(b"data: x") == ["x"]
    assert data(b"data: x\r") == ["x"]


def test_nothing_is_told_before_it_is_whole() -> None:
    parser = Parser()
    assert parser.feed(b"data: x\n") == []
    assert parser.feed(b"\n") == [Event("", "x")]


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.data(),
)
def test_cuts_change_nothing(texts: list[str], end: str, draw: st.DataObject) -> None:
    stream = "".join(f"data: {json.dumps(text, ensure_ascii=False)}{end}{end}" for text in texts).encode()
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [json.loads(text) for text in data(*pieces)] == texts


@given(st.lists(st.binary()))
def test_no_bytes_make_it_fail(pieces: list[bytes]) -> None:
    assert events(*pieces) == events(b"".join(pieces))

"""HTTP responses, cut anywhere, whole or not."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.providers.reply import Broken, Reply, TooBig, Unanswered

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n5\r\nHello\r\n6;x=y\r\n world\r\n0\r\n\r\n"
COUNTED = b"HTTP/1.1 404 Not Found\r\nContent-Length: 11\r\n\r\nHello world"
CLOSED = b"HTTP/1.1 200 OK\r\n\r\nHello world"


def read(*pieces: bytes, max_bytes: int = 1000) -> tuple[Reply, bytes]:
    reply = Reply(max_bytes)
    body = b""
    for piece in pieces:
        body += reply.feed(piece)
        while reply.is_behind:
            body += reply.unpack()
        reply.check()
    return reply, body


@given(st.sampled_from([CHUNKED, COUNTED, CLOSED]), st.data())
def test_cuts_change_nothing(text: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    reply, body = read(*(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)))
    assert body == b"Hello world"
    assert reply.complete is (text is not CLOSED)
    assert reply.ends_by_closing is (text is CLOSED)
    assert reply.status == (404 if text is COUNTED else 200)


@pytest.mark.parametrize(
    ("text", "reusable"),
    [
        (CHUNKED, True),
        (COUNTED, True),
        (COUNTED.replace(b"Content", b"Connection: close\r\nContent"), False),
        (COUNTED.replace(b"1.1", b"1.0"), False),
        (COUNTED + b"surplus", False),
        (COUNTED + CHUNKED, False),
    ],
)
def test_whether_the_connection_can_be_used_again(text: bytes, reusable: bool) -> None:
    reply, body = read(text)
    assert (body, reply.complete, reply.reusable) == (b"Hello world", True, reusable)
    assert b"x-a" not in reply.headers or text is CHUNKED


def test_the_end_of_the_connection() -> None:
    reply, _ = read(CLOSED)
    reply.end()
    assert reply.complete
    assert not reply.reusable
    with pytest.raises(Unanswered):
        Reply(10).end()
    for text in (CHUNKED, COUNTED):
        for length in (5, 30, len(text) - 3):
            reply, _ = read(text[:length])
            with pytest.raises(Broken, match="in the middle"):
                reply.end()


def test_informational_responses_are_passed_over() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n"
    reply, body = read(early + COUNTED)
    assert (reply.status, body, reply.headers) == (404, b"Hello world", {b"content-length": b"11"})


@pytest.mark.parametrize(
    "text", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"\x16\x03\x01"]
)
def test_what_is_not_http(text: bytes) -> None:
    with pytest.raises(Broken, match=r"not HTTP/1\.1"):
        read(text)


def test_what_came_before_the_nonsense_counts() -> None:
    reply = Reply(100)
    assert reply.feed(CHUNKED.replace(b"6;x=y", b"nonsense")) == b"Hello"
    with pytest.raises(Broken):
        reply.check()


def test_no_upgrade() -> None:
    with pytest.raises(Broken):
        read(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")


def test_headers_without_end() -> None:
    with pytest.raises(Broken, match="headers never end"):
        read(b"HTTP/1.1 200 OK\r\n", *[b"X-A: " + b"1" * 1000 + b"\r\n"] * 70)


TRAILED = CHUNKED.removesuffix(b"\r\n")


def test_trailers_are_passed_over() -> None:
    reply, body = read(TRAILED, b"X-A: 2\r\nX-B: 3\r\n\r\n")
    assert (body, reply.complete, reply.reusable) == (b"Hello world", True, True)
    assert reply.headers == {b"transfer-encoding": b"chunked", b"x-a": b"1"}


@pytest.mark.parametrize(
    ("begun", "then"),
    [
        (TRAILED, b"X-A: " + b"1" * 1000 + b"\r\n"),
        (TRAILED + b"X-A: ", b"1" * 1000),
        (TRAILED.removesuffix(b"0\r\n") + b"5;x=", b"y" * 1000),
    ],
)
def test_trailers_and_extensions_without_end(begun: bytes, then: bytes) -> None:
    with pytest.raises(Broken, match="headers never end"):
        read(begun, *[then] * 70)


def test_a_body_may_be_longer_than_headers() -> None:
    head, _, _ = CHUNKED.partition(b"5\r\nHello")
    reply, body = read(head, *[b"1;" + b"x" * 1000 + b"\r\n!\r\n"] * 200, b"0\r\n\r\n")
    assert (body, reply.complete) == (b"!" * 200, True)


def packed(data: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


def test_a_body_is_unpacked_a_little_at_a_time() -> None:
    data = b"".join(b"%d " % n for n in range(500_000))
    reply = Reply(len(data))
    pieces = [reply.feed(packed(gzip.compress(data)))]
    while reply.is_behind:
        assert not reply.complete
        pieces.append(reply.unpack())
    assert max(map(len, pieces)) <= 1 << 20
    assert (b"".join(pieces), reply.complete, reply.reusable) == (data, True, True)


def test_what_came_packed_before_the_nonsense_counts() -> None:
    data = gzip.compress(b"0" * 2_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = Reply(2_000_000)
    body = reply.feed(head + b"%x\r\n%b\r\nnonsense" % (len(data), data))
    while reply.is_behind:
        reply.check()
        body += reply.unpack()
    assert body == b"0" * 2_000_000
    with pytest.raises(Broken):
        reply.check()


def test_what_follows_a_packed_body_is_not_kept() -> None:
    data, surplus = gzip.compress(b"Hello world"), b"x" * 10_000
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    tracemalloc.start()
    try:
        reply, body = read(head % (len(data) + 100 * len(surplus)) + data, *[surplus] * 100)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (body, reply.complete) == (b"Hello world", True)
    assert kept < 100_000


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        (b"gzip", gzip.compress(b"Hello world")),
        (b"X-GZIP", gzip.compress(b"Hello world")),
        (b"deflate", zlib.compress(b"Hello world")),
        (b"identity", b"Hello world"),
    ],
)
def test_packed_bodies(encoding: bytes, data: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(data))
    assert read(head, *(data[n : n + 1] for n in range(len(data))))[1] == b"Hello world"


@pytest.mark.parametrize(("encoding", "message"), [(b"br", "encoding is br"), (b"gzip", "is not gzip")])
def test_bodies_that_can_not_be_unpacked(encoding: bytes, message: str) -> None:
    with pytest.raises(Broken, match=message):
        read(COUNTED.replace(b"Content", b"Content-Encoding: %b\r\nContent" % encoding, 1))


def test_no_more_than_may_be() -> None:
    assert read(COUNTED, max_bytes=11)[1] == b"Hello world"
    with pytest.raises(TooBig):
        read(COUNTED, max_bytes=10)
    with pytest.raises(TooBig):
        read(packed(gzip.compress(b"0" * 1_000_000)), max_bytes=100_000)


@given(st.lists(st.binary()))
def test_any_bytes_are_a_response_or_broken(pieces: list[bytes]) -> None:
    try:
        read(b"HTTP/1.1 ", *pieces)
    except (Broken, TooBig):
        return

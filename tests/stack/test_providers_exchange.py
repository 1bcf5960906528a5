"""HTTP/1.1 exchanges on connections that are used again."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightspeed_stack.providers import dial
from lightspeed_stack.providers.dial import Dialer
from lightspeed_stack.providers.exchange import Exchange, Limits
from lightspeed_stack.providers.pool import Pool
from lightspeed_stack.providers.reply import Broken, TooBig, Unanswered
from lightspeed_stack.providers.wait import Aborted, TimedOut
from tests.fakes import misbehaviours
from tests.fakes.provider import FakeProvider
from tests.fakes.tls import certificate

BODY = b'{"model": "%b", "messages": [{"role": "user", "content": "hi"}], "stream": %b}'


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def pool(fake: FakeProvider) -> Pool:
    return Pool(Dialer(dial.parse(fake.url), 5, None))


def exchange(pool: Pool, model: str, stream: bool = False, **limits: float) -> Exchange:
    body = BODY % (model.encode(), b"true" if stream else b"false")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    wanted = {"silence_seconds": 5, "total_seconds": 5, "max_bytes": 1_000_000} | limits
    return Exchange(
        pool, head + body, Limits(wanted["silence_seconds"], wanted["total_seconds"], int(wanted["max_bytes"]))
    )


def test_status_headers_and_body(fake: FakeProvider) -> None:
    asked = exchange(pool(fake), "retry-later")
    assert b"".join(asked) == b"{}"
    assert (asked.status, asked.header("retry-after"), asked.header("nothing")) == (429, "17", "")


def test_one_connection_serves_one_request_after_the_other(fake: FakeProvider) -> None:
    shared = pool(fake)
    for model in ("ok", "status-500", "gzip", "tokens-3-0.01"):
        assert b"".join(exchange(shared, model))
    assert fake.accepted == 1


def test_each_request_at_the_same_time_has_its_own_connection(fake: FakeProvider) -> None:
    shared = pool(fake)
    threads = [threading.Thread(target=lambda: list(exchange(shared, "tokens-2-0.2", True))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.accepted == 3


@pytest.mark.parametrize("model", ["close-after-answer", "to-the-end", "truncated", "not-http", "lingering"])
def test_a_connection_that_is_not_as_it_was_is_not_used_again(fake: FakeProvider, model: str) -> None:
    shared = pool(fake)
    try:
        pieces = iter(exchange(shared, model, True, silence_seconds=0.2))
        list(pieces)
    except (Broken, TimedOut):
        pass
    assert fake.wait_until(lambda fake: fake.connections == 0)
    assert b"".join(exchange(shared, "ok"))
    assert fake.accepted == 2


def test_a_connection_that_dies_unnoticed_costs_a_second_try() -> None:
    """The server reads the second request and closes: too late for a look before it is sent."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answers in ([answer, b""], [answer]):
                connection, _ = listener.accept()
                with connection:
                    for text in answers:
                        seen.append(connection.recv(4096))
                        connection.sendall(text)

        thread = threading.Thread(target=serve)
        thread.start()
        shared = Pool(Dialer(dial.parse(f"http://127.0.0.1:{listener.getsockname()[1]}"), 5, None))
        limits = Limits(5, 5, 100)
        for request in (b"GET /1 HTTP/1.1\r\n\r\n", b"GET /2 HTTP/1.1\r\n\r\n"):
            assert b"".join(Exchange(shared, request, limits)) == b"hi"
        thread.join()
    assert [text.split()[1] for text in seen] == [b"/1", b"/2", b"/2"]


def test_a_fresh_connection_that_is_closed_is_not_tried_again(fake: FakeProvider) -> None:
    with pytest.raises(Unanswered):
        list(exchange(pool(fake), "close-at-once"))
    assert fake.accepted == 1


def test_an_answer_that_broke_off_is_not_asked_for_again(fake: FakeProvider) -> None:
    shared = pool(fake)
    list(exchange(shared, "ok"))
    with pytest.raises(Broken):
        list(exchange(shared, "close-after-tokens", True))
    assert len(fake.asked) == 2


def test_pieces_come_as_they_are_sent(fake: FakeProvider) -> None:
    pieces = [piece for piece in exchange(pool(fake), "tokens-3-0.1", True) if piece]
    assert len(pieces) >= 4


def test_silence_and_the_whole_have_their_limits(fake: FakeProvider) -> None:
    for model, limits in (("silent", {"silence_seconds": 0.2}), ("slow", {"total_seconds": 0.3})):
        began = time.monotonic()
        with pytest.raises(TimedOut):
            list(exchange(pool(fake), model, True, **limits))
        assert time.monotonic() - began < 1.5
    assert fake.wait_until(lambda fake: fake.connections == 0)


def test_an_empty_piece_for_each_second_without_any(fake: FakeProvider) -> None:
    pieces = iter(exchange(pool(fake), "silent", True, silence_seconds=1.5))
    assert [next(pieces), next(pieces)] == [b"", b""]
    with pytest.raises(TimedOut):
        next(pieces)


@pytest.mark.parametrize("model", ["endless", "bomb", "long-line"])
def test_more_than_may_be(fake: FakeProvider, model: str) -> None:
    with pytest.raises(TooBig):
        list(exchange(pool(fake), model, model == "endless"))


def test_a_packed_body_comes_a_little_at_a_time(fake: FakeProvider) -> None:
    sizes = [len(piece) for piece in exchange(pool(fake), "bomb", total_seconds=60, max_bytes=50_000_000)]
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == 50_000_000


def test_an_abort_ends_it_while_there_is_more_to_unpack(fake: FakeProvider) -> None:
    asked = exchange(pool(fake), "bomb", total_seconds=60, max_bytes=50_000_000)
    pieces = iter(asked)
    assert next(piece for piece in pieces if piece)
    asked.abort()
    with pytest.raises(Aborted):
        next(pieces)


def test_headers_without_end(fake: FakeProvider) -> None:
    with pytest.raises(Broken, match="headers never end"):
        list(exchange(pool(fake), "endless-headers"))


RECORDS = (misbehaviours.STREAM_HEAD, *[misbehaviours.chunk(b"x" * 8000)] * 3)


@contextmanager
def tls_server(folder: Path, *records: bytes) -> Iterator[tuple[Pool, threading.Event]]:
    """Answers one request with these, then says no more; the event tells that all is sent."""
    pem = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    sent, over = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.recv(65536)
                for record in records:
                    connection.sendall(record)
                sent.set()
                over.wait(60)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Pool(Dialer(dial.parse(f"https://127.0.0.1:{listener.getsockname()[1]}"), 30, pem)), sent
        finally:
            over.set()
            thread.join()


def test_an_abort_ends_it_while_tls_has_more(tmp_path: Path) -> None:
    with tls_server(tmp_path, *RECORDS) as (pool, sent):
        asked = Exchange(pool, b"GET / HTTP/1.1\r\n\r\n", Limits(60, 60, 100_000))
        pieces = iter(asked)
        assert next(piece for piece in pieces if piece)
        assert sent.wait(30)
        asked.abort()
        with pytest.raises(Aborted):
            next(pieces)


def test_the_whole_has_its_limit_while_tls_has_more(tmp_path: Path) -> None:
    with tls_server(tmp_path, *RECORDS) as (pool, sent):
        end = time.monotonic() + 3
        pieces = iter(Exchange(pool, b"GET / HTTP/1.1\r\n\r\n", Limits(60, 3, 100_000)))
        assert next(piece for piece in pieces if piece)
        assert sent.wait(30)
        time.sleep(max(0.0, end - time.monotonic()) + 0.1)  # there is no event for "too late"
        with pytest.raises(TimedOut):
            next(pieces)


def test_what_is_no_body_is_told_too(tmp_path: Path) -> None:
    """Who serves others beside this one has to get a turn, though there is always more to read."""
    trailers = [b"X-A: 1\r\n" * 1000] * 4
    body = misbehaviours.chunk(b"Hello") + b"0\r\n"
    with tls_server(tmp_path, misbehaviours.STREAM_HEAD, body, *trailers, b"\r\n") as (pool, _):
        pieces = list(Exchange(pool, b"GET / HTTP/1.1\r\n\r\n", Limits(60, 60, 1000)))
    assert b"".join(pieces) == b"Hello"
    assert pieces[-1] == b""
    assert pieces.count(b"") >= 1 + len(trailers)


@pytest.mark.parametrize("model", ["silent", "slow"])
def test_an_abort_ends_it_at_once(fake: FakeProvider, model: str) -> None:
    asked = exchange(pool(fake), model, True)
    threading.Timer(0.2, asked.abort).start()
    began = time.monotonic()
    with pytest.raises(Aborted):
        list(asked)
    assert time.monotonic() - began < 0.9
    assert fake.wait_until(lambda fake: fake.connections == 0)


def test_an_abort_before_it_begins(fake: FakeProvider) -> None:
    asked = exchange(pool(fake), "ok")
    asked.abort()
    with pytest.raises(Aborted):
        list(asked)
    assert fake.accepted == 0


def test_a_request_that_is_larger_than_any_buffer(fake: FakeProvider) -> None:
    body = b'{"model": "echo", "messages": [{"role": "user", "content": "%b"}]}' % (b"x" * 8_000_000)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = b"".join(Exchange(pool(fake), head + body, Limits(10, 10, 10_000_000)))
    assert len(answer) > 8_000_000

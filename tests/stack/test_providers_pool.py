"""Connections that wait for their next request."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lightspeed_stack.providers import dial
from lightspeed_stack.providers.dial import Dialer
from lightspeed_stack.providers.pool import Pool


@pytest.fixture
def pool() -> Pool:
    return Pool(Dialer(dial.parse("http://127.0.0.1:9"), 1, None))


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield listener


def connect(server: socket.socket) -> tuple[socket.socket, socket.socket]:
    ours = socket.create_connection(server.getsockname())
    ours.setblocking(False)
    return ours, server.accept()[0]


def test_the_last_used_comes_first(pool: Pool, server: socket.socket) -> None:
    with ExitStack() as stack:
        pairs = [connect(server) for _ in range(3)]
        for ours, theirs in pairs:
            stack.enter_context(ours)
            stack.enter_context(theirs)
            pool.put(ours)
        assert [pool.take() for _ in range(4)] == [pairs[2][0], pairs[1][0], pairs[0][0], None]


def test_a_connection_that_was_closed_is_passed_over(pool: Pool, server: socket.socket) -> None:
    good, gone, talks = connect(server), connect(server), connect(server)
    for pair in (good, gone, talks):
        pool.put(pair[0])
    gone[1].close()
    talks[1].send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    with good[1], good[0], talks[1]:
        assert pool.take() is good[0]
        assert (gone[0].fileno(), talks[0].fileno()) == (-1, -1)


def test_not_too_many_wait(pool: Pool, server: socket.socket) -> None:
    with ExitStack() as stack:
        ours = []
        for _ in range(40):
            pair = connect(server)
            stack.enter_context(pair[1])
            ours.append(pair[0])
            pool.put(pair[0])
        assert [sock.fileno() == -1 for sock in ours] == [True] * 8 + [False] * 32
        del pool


def test_those_that_wait_are_closed_with_the_pool(server: socket.socket) -> None:
    ours, theirs = connect(server)
    pool = Pool(Dialer(dial.parse("http://127.0.0.1:9"), 1, None))
    pool.put(ours)
    del pool
    with theirs:
        assert theirs.recv(1) == b""

"""Waiting for a socket, a deadline or an abort, whichever comes first."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lightspeed_stack.providers.base import Disconnected
from lightspeed_stack.providers.wait import READ, WRITE, Aborted, TimedOut, Waiter

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def soon(seconds: float = 5) -> float:
    return time.monotonic() + seconds


def test_a_socket_that_is_ready(pair: Pair) -> None:
    waiter = Waiter(5)
    waiter.adopt(pair[0])
    pair[1].send(b"x")
    assert waiter.ready(soon()) is True


def test_not_yet_after_a_second(pair: Pair) -> None:
    waiter = Waiter(5)
    waiter.adopt(pair[0])
    began = time.monotonic()
    assert waiter.ready(soon()) is False
    assert 1 <= time.monotonic() - began < 5


def test_what_is_waited_for_can_change(pair: Pair) -> None:
    waiter = Waiter(5)
    waiter.adopt(pair[0])
    assert list(waiter.until_ready(WRITE, soon())) == []
    pair[1].send(b"x")
    assert list(waiter.until_ready(READ, soon())) == []


@pytest.mark.parametrize(("total", "deadline"), [(0.2, 5), (5, 0.2)])
def test_the_nearer_of_two_deadlines(pair: Pair, total: float, deadline: float) -> None:
    waiter = Waiter(total)
    waiter.adopt(pair[0])
    began = time.monotonic()
    until = soon(deadline)
    assert waiter.ready(until) is False
    with pytest.raises(TimedOut, match="no answer in time"):
        waiter.ready(until)
    assert time.monotonic() - began < 0.6


def test_what_is_left_is_known_without_waiting() -> None:
    waiter = Waiter(60)
    assert 0 < waiter.left(soon(30)) <= 30
    assert 30 < waiter.left(soon(90)) <= 60
    with pytest.raises(TimedOut):
        waiter.left(soon(0))
    waiter.abort()
    with pytest.raises(Aborted):
        waiter.left(soon(30))


def test_the_end_can_come_sooner_but_not_later() -> None:
    waiter = Waiter(60)
    waiter.end_within(30)
    waiter.end_within(90)
    assert 0 < waiter.left(soon(90)) <= 30
    waiter.end_within(0)
    with pytest.raises(TimedOut):
        waiter.left(soon(90))


def test_an_abort_wakes_who_waits(pair: Pair) -> None:
    waiter = Waiter(5)
    waiter.adopt(pair[0])
    threading.Timer(0.1, waiter.abort).start()
    began = time.monotonic()
    with pytest.raises(Aborted):
        waiter.ready(soon())
    assert time.monotonic() - began < 0.8
    assert pair[1].recv(1) == b""


def test_an_abort_before_anything_is_waited_for(pair: Pair) -> None:
    waiter = Waiter(5)
    waiter.abort()
    with pytest.raises(Aborted):
        waiter.adopt(pair[0])


def test_what_was_let_go_of_is_not_aborted(pair: Pair) -> None:
    waiter = Waiter(5)
    waiter.adopt(pair[0])
    assert waiter.drop() is pair[0]
    assert waiter.drop() is None
    waiter.abort()
    pair[0].send(b"x")
    assert pair[1].recv(1) == b"x"


class Gone:
    """A client that has hung up."""

    def register(self, descriptor: int, events: int) -> None:
        assert events == READ

    def modify(self, descriptor: int, events: int) -> None:
        raise NotImplementedError

    def unregister(self, descriptor: int) -> None:
        raise NotImplementedError

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        raise Disconnected

    def rest(self) -> None:
        raise NotImplementedError

    def ends_at(self, deadline: float) -> None:
        """It waits for ever."""


def test_the_client_may_bring_its_own_way_to_wait(pair: Pair) -> None:
    waiter = Waiter(5, Gone())
    waiter.adopt(pair[0])
    with pytest.raises(Disconnected):
        waiter.ready(soon())

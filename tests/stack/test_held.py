"""send, recv and write that keep the interpreter's lock."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lightspeed_stack import held

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_bytes_go_out_and_come_in(pair: Pair) -> None:
    assert held.send(pair[0], b"a\0b") == 3
    assert held.receive(pair[1]) == b"a\0b"


def test_nothing_to_receive(pair: Pair) -> None:
    """The sockets are blocking ones; nobody waits all the same."""
    with pytest.raises(BlockingIOError):
        held.receive(pair[0])


def test_no_room_to_send(pair: Pair) -> None:
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sent += held.send(pair[0], b"x" * 10_000)
    received = b""
    while len(received) < sent:
        received += held.receive(pair[1])
    assert received == b"x" * sent


def test_the_end(pair: Pair) -> None:
    pair[0].close()
    assert held.receive(pair[1]) == b""


def test_nobody_there_any_more(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(BrokenPipeError):
        held.send(pair[0], b"x")


def test_a_closed_socket(pair: Pair) -> None:
    pair[0].close()
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        held.receive(pair[0])
    assert caught.value.errno == errno.EBADF


def test_what_was_received_stays(pair: Pair) -> None:
    held.send(pair[0], b"first")
    first = held.receive(pair[1])
    held.send(pair[0], b"other")
    assert (held.receive(pair[1]), first) == (b"other", b"first")


def test_a_bell_is_rung() -> None:
    bell = os.eventfd(0, os.EFD_NONBLOCK)
    held.ring(bell)
    held.ring(bell)
    assert os.eventfd_read(bell) == 2
    os.close(bell)
    with pytest.raises(OSError, match="Bad file descriptor"):
        held.ring(bell)


def test_no_thread_gets_what_another_receives() -> None:
    """The interpreter may let another thread go on as soon as a call has returned."""
    interval, mixed = sys.getswitchinterval(), []
    stop = threading.Event()

    def take(sock: socket.socket, letter: bytes) -> None:
        for _ in range(5000):
            if stop.is_set():
                return
            theirs[letter].send(letter * 1000)
            if held.receive(sock) != letter * 1000:
                mixed.append(letter)
                stop.set()

    pairs = {letter: socket.socketpair() for letter in (b"A", b"B", b"C", b"D")}
    theirs = {letter: pair[1] for letter, pair in pairs.items()}
    threads = [threading.Thread(target=take, args=(pair[0], letter)) for letter, pair in pairs.items()]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        for sock in (one for pair in pairs.values() for one in pair):
            sock.close()
    assert mixed == []

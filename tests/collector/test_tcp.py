"""What the kernel tells of a connection, on real ones."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from lightspeed_collector import tcp

MUCH = bytes(8 << 20)  # more than the kernels of both ends take for a reader that doesn't read
FOR_EVER = 60


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours, theirs:
        yield ours, theirs


def fill(connected: socket.socket) -> int:
    """Write all that the kernel takes."""
    connected.setblocking(False)
    written = 0
    try:
        while True:
            written += connected.send(MUCH)
    except BlockingIOError:
        connected.setblocking(True)
        return written


def test_all_has_arrived(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.sendall(b"x" * 100)
    assert theirs.recv(100, socket.MSG_WAITALL)
    tcp.drain(ours, FOR_EVER)
    assert (tcp.unacknowledged(ours), tcp.received(theirs)) == (0, 100)


def test_who_does_not_read_is_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    written = fill(ours)
    assert tcp.unacknowledged(ours) > 100_000
    reader = threading.Thread(target=lambda: theirs.recv(written, socket.MSG_WAITALL))
    reader.start()
    tcp.drain(ours, FOR_EVER)
    assert tcp.unacknowledged(ours) == 0
    reader.join()


def test_who_never_reads_is_given_up(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    fill(ours)
    began = time.monotonic()
    tcp.drain(ours, 0.2)
    assert time.monotonic() - began >= 0.2
    assert tcp.unacknowledged(ours) > 0


def test_who_answers_and_does_not_read_is_given_up_soon(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    fill(ours)
    began = time.monotonic()
    threading.Timer(0.2, theirs.sendall, [b"HTTP/1.1 503 No\r\n"]).start()
    tcp.drain(ours, FOR_EVER)
    assert 1 <= time.monotonic() - began < FOR_EVER / 2
    assert (tcp.unacknowledged(ours) > 0, tcp.received(ours)) == (True, 17)


@pytest.mark.parametrize("who", ["reset", "ours"])
def test_who_is_gone_is_not_waited_for(pair: tuple[socket.socket, socket.socket], who: str) -> None:
    ours, theirs = pair
    fill(ours)
    if who == "reset":
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end = theirs.close
    else:
        end = lambda: ours.shutdown(socket.SHUT_RDWR)  # noqa: E731 - as short as the other
    began = time.monotonic()
    threading.Timer(0.2, end).start()
    tcp.drain(ours, FOR_EVER)
    assert time.monotonic() - began < FOR_EVER / 2


def test_where_the_kernel_does_not_tell_nothing_came() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        theirs.sendall(b"x")
        assert tcp.received(ours) == 0

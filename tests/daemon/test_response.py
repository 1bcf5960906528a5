"""Answers on a socket that keeps packets apart, so that each call to the system shows."""

import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser

from lightspeed_stack.daemon.response import SMALL, Response


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, theirs


def answer(sock: socket.socket, *parts: bytes, length: int | None, method: str = "GET") -> None:
    config = Config()
    request = next(
        RequestParser(config, iter([f"{method} / HTTP/1.1\r\nHost: here\r\n\r\n".encode()]), ("127.0.0.1", 1))
    )
    response = Response(request, sock, config)
    response.start_response("200 OK", [] if length is None else [("Content-Length", str(length))])
    for part in parts:
        response.write(part)
    response.close()


def packets(theirs: socket.socket, ours: socket.socket) -> list[bytes]:
    ours.shutdown(socket.SHUT_WR)
    return list(iter(lambda: theirs.recv(1 << 20), b""))


def test_a_small_whole_answer_is_one_packet(ends: tuple[socket.socket, socket.socket]) -> None:
    answer(ends[0], b"hello", length=5)
    (only,) = packets(ends[1], ends[0])
    head, _, body = only.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: ")
    assert (
        abs(parsedate_to_datetime(head.partition(b"Date: ")[2].split(b"\r\n")[0].decode()).timestamp() - time.time())
        < 60
    )
    assert head.endswith(b"\r\nConnection: keep-alive\r\nContent-Length: 5")
    assert body == b"hello"


@pytest.mark.parametrize(
    ("parts", "length", "sent"),
    [
        ((b"hel", b"lo"), 5, [b"hel", b"lo"]),
        ((b"hello, and more",), 5, [b"hello"]),
        ((b"x" * (SMALL + 1),), SMALL + 1, [b"x" * (SMALL + 1)]),
        ((b"hello",), None, [b"5\r\nhello\r\n", b"0\r\n\r\n"]),
    ],
)
def test_any_other_follows_its_head(
    ends: tuple[socket.socket, socket.socket], parts: tuple[bytes, ...], length: int | None, sent: list[bytes]
) -> None:
    answer(ends[0], *parts, length=length)
    head, *rest = packets(ends[1], ends[0])
    assert head.endswith(b"\r\n\r\n")
    assert rest == sent


def test_no_body_answers_a_question_for_the_head(ends: tuple[socket.socket, socket.socket]) -> None:
    answer(ends[0], b"hello", length=5, method="HEAD")
    (head,) = packets(ends[1], ends[0])
    assert head.endswith(b"Content-Length: 5\r\n\r\n")


def test_an_empty_answer_is_its_head(ends: tuple[socket.socket, socket.socket]) -> None:
    answer(ends[0], b"", length=0)
    (head,) = packets(ends[1], ends[0])
    assert head.endswith(b"Content-Length: 0\r\n\r\n")

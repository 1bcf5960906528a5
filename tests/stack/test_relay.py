"""Many answers told by one thread, to clients of every kind."""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lightspeed_stack.providers.base import Disconnected
from lightspeed_stack.relay import Relay
from lightspeed_stack.seat import Seat
from tests.fakes.threads import exhausted
from tests.fakes.tls import certificate

Pieces = Generator[bytes, None, None]


@contextmanager
def connected(
    protocol: str = "HTTP/1.0", relay: Relay | None = None, limit_seconds: int = 60
) -> Iterator[tuple[Seat, socket.socket]]:
    """A seat and the client's end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), 5)
        served, _ = listener.accept()
    with client, served:
        served.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", limit_seconds, 0))
        seat = (relay or Relay()).seat({"gunicorn.socket": served, "SERVER_PROTOCOL": protocol})
        assert seat is not None
        yield seat, client


@contextmanager
def telling(seat: Seat, pieces: Pieces) -> Iterator[Future[None]]:
    """The pieces are told in a thread that serves the request."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(seat.tell, pieces)


def words(*texts: bytes) -> Pieces:
    yield from texts


def read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := client.recv(size - len(data))):
        data += more
    return data


def test_pieces_are_chunks_for_http_1_1() -> None:
    with connected("HTTP/1.1") as (seat, client):
        seat.tell(words(b"Hello", b" from", b" a long piece of text"))
        expected = b"5\r\nHello\r\n5\r\n from\r\n15\r\n a long piece of text\r\n"
        assert read(client, len(expected)) == expected


def test_pieces_are_themselves_for_http_1_0() -> None:
    with connected() as (seat, client):
        seat.tell(words(b"Hello", b" from"))
        assert read(client, 10) == b"Hello from"


@pytest.mark.parametrize("environ", [{}, {"SERVER_PROTOCOL": "HTTP/1.1"}, {"SERVER_PROTOCOL": "HTTP/2.0"}])
def test_no_seat_without_a_socket_that_can_be_written_to(environ: dict[str, str]) -> None:
    assert Relay().seat(environ) is None
    with socket.socket() as sock:
        assert Relay().seat({"SERVER_PROTOCOL": "HTTP/2.0", "gunicorn.socket": sock}) is None


def test_what_the_pieces_raise_is_raised_where_one_waits() -> None:
    def failing() -> Pieces:
        yield b"Hello"
        raise ValueError("no more")

    with connected() as (seat, client):
        with pytest.raises(ValueError, match="no more"):
            seat.tell(failing())
        assert read(client, 5) == b"Hello"


def test_pieces_that_fail_leave_nothing_that_wakes_the_relay() -> None:
    """What waits for their descriptor is let go of, though the pieces did not; they may do so later."""
    relay = Relay()

    def failing(seat: Seat) -> Pieces:
        seat.register(source, select.POLLIN)
        yield b"Hello"
        raise ValueError("no more")

    with pipe() as (source, write, _), connected(relay=relay) as (seat, client):
        with pytest.raises(ValueError, match="no more"):
            seat.tell(failing(seat))
        write(b"x")
        for _ in range(3):
            with connected(relay=relay) as (other, listener):
                other.tell(words(b"Hello"))
                assert read(listener, 5) == b"Hello"
        seat.unregister(source)
        assert read(client, 5) == b"Hello"


@pytest.mark.parametrize("told", [b"Hello", b""])
def test_a_descriptor_that_is_none_ends_only_its_pieces(told: bytes) -> None:
    """One that was closed before it was let go of, and one that never could be waited for."""
    relay = Relay()

    def failing(seat: Seat) -> Pieces:
        if told:
            source, drain = os.pipe()
            seat.register(source, select.POLLIN)
            os.close(source)
            os.close(drain)
        else:
            with open(__file__) as file:
                seat.register(file.fileno(), select.POLLIN)
        yield told
        raise ValueError("no more")

    with connected(relay=relay) as (seat, _), pytest.raises((ValueError, PermissionError)):
        seat.tell(failing(seat))
    with connected(relay=relay) as (other, listener):
        other.tell(words(b"Hello"))
        assert read(listener, 5) == b"Hello"


def test_pieces_that_cannot_be_closed_end_only_themselves() -> None:
    relay = Relay()

    def stubborn() -> Pieces:
        try:
            while True:
                yield b""
        finally:
            raise ValueError("not now")

    with connected(relay=relay) as (seat, client):
        client.close()
        with pytest.raises(Disconnected):
            seat.tell(stubborn())
    with connected(relay=relay) as (other, listener):
        other.tell(words(b"Hello"))
        assert read(listener, 5) == b"Hello"


def test_the_socket_is_as_it_was_before() -> None:
    served, client = socket.socketpair()
    with served, client:
        seat = Relay().seat({"gunicorn.socket": served, "SERVER_PROTOCOL": "HTTP/1.0"})
        assert seat is not None
        seat.tell(words(b"Hello"))
        assert served.getblocking()


def fed(seat: Seat, source: int) -> Pieces:
    """What comes out of the pipe `source`, as it comes."""
    seat.register(source, select.POLLIN)
    try:
        while True:
            if not seat.poll(1000):
                yield b""
            elif data := os.read(source, 65536):
                yield data
            else:
                return
    finally:
        seat.unregister(source)


@contextmanager
def pipe() -> Iterator[tuple[int, Callable[[bytes], int], Callable[[], None]]]:
    """The end to read from, and how to write to and close the other one."""
    source, drain = os.pipe()
    os.set_blocking(drain, False)
    is_open = [True]

    def close() -> None:
        if is_open.pop():
            os.close(drain)

    try:
        yield source, lambda data: os.write(drain, data), close
    finally:
        if is_open:
            close()
        os.close(source)


def test_a_piece_goes_out_when_it_comes_in() -> None:
    with connected() as (seat, client), pipe() as (source, write, close), telling(seat, fed(seat, source)) as told:
        for text in (b"one", b"two", b"three"):
            write(text)
            assert read(client, len(text)) == text
        assert not told.done()
        close()
        told.result(5)


def test_a_client_that_hangs_up_is_noticed_while_nothing_comes() -> None:
    with connected() as (seat, client), pipe() as (source, write, _), telling(seat, fed(seat, source)) as told:
        write(b"one")
        assert read(client, 3) == b"one"
        client.close()
        with pytest.raises(Disconnected):
            told.result(1)


def test_with_a_probe_a_client_may_end_its_part_and_listen_on() -> None:
    with connected() as (seat, client), pipe() as (source, write, close), ThreadPoolExecutor(1) as pool:
        told = pool.submit(seat.tell, fed(seat, source), b": there?")
        write(b"one")
        assert read(client, 3) == b"one"
        client.shutdown(socket.SHUT_WR)
        assert read(client, 8) == b": there?"
        began = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - began < 0.2
        write(b"two")
        assert read(client, 3) == b"two"
        close()
        told.result(5)


def test_a_client_that_is_gone_does_not_outlive_the_probe() -> None:
    with connected() as (seat, client), pipe() as (source, write, _), ThreadPoolExecutor(1) as pool:
        told = pool.submit(seat.tell, fed(seat, source), b": there?")
        write(b"one")
        assert read(client, 3) == b"one"
        client.close()
        with pytest.raises(Disconnected):
            told.result(1)


def test_one_that_ends_its_part_while_it_does_not_read_is_told_all() -> None:
    with connected() as (seat, client), ThreadPoolExecutor(1) as pool:
        counted = [0]
        told = pool.submit(seat.tell, (piece for piece, _ in zip(endless(counted), range(3000), strict=False)), b":")
        settled(counted)
        client.shutdown(socket.SHUT_WR)
        began = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - began < 0.2
        assert len(read(client, 30_000_001).replace(b":", b"")) == 30_000_000
        told.result(5)


def test_a_client_that_resets_is_noticed_when_something_comes() -> None:
    with connected() as (seat, client), pipe() as (source, write, _), telling(seat, fed(seat, source)) as told:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        write(b"one")
        with pytest.raises(Disconnected):
            told.result(1)


def test_a_socket_that_is_closed_already_spoils_no_others() -> None:
    relay = Relay()
    with connected(relay=relay) as (seat, _):
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        seat.tell(words(b"Hello"))
    with connected(relay=relay) as (seat, client):
        seat.tell(words(b"Hello"))
        assert read(client, 5) == b"Hello"


def told_aside(seat: Seat, pieces: Pieces, probe: bytes = b"") -> Future[None]:
    """In a thread that nobody waits for, so that a relay that has ended is found out by a limit of time."""
    told: Future[None] = Future()

    def tell() -> None:
        try:
            told.set_result(seat.tell(pieces, probe))
        except Exception as error:
            told.set_exception(error)

    threading.Thread(target=tell, daemon=True).start()
    return told


def hears(relay: Relay) -> bool:
    """Whether the next client is told something."""
    with connected(relay=relay) as (seat, client):
        told = told_aside(seat, words(b"Hello"))
        client.settimeout(30)
        with suppress(TimeoutError):
            if read(client, 5) == b"Hello":
                told.result(30)
                return True
        return False


def test_where_no_thread_can_start_only_that_answer_fails() -> None:
    relay = Relay()
    with connected(relay=relay) as (seat, _), exhausted(), pytest.raises(RuntimeError, match="start new thread"):
        seat.tell(words(b"Hello"))
    assert hears(relay)


def clinging(seat: Seat, descriptor: int, told: bytes, over: threading.Event) -> Pieces:
    """Fails in the end without having let go of its descriptor."""
    seat.register(descriptor, select.POLLIN)
    yield told
    while not over.is_set():
        yield b""
    raise ValueError("no more")


def test_who_shares_a_number_with_another_does_not_end_the_relay() -> None:
    """The first one's descriptor was closed, and its number given to the second."""
    relay, over, others = Relay(), threading.Event(), threading.Event()
    with (
        pipe() as (source, _, _),
        pipe() as (reused, _, _),
        connected(relay=relay) as (first, client),
        connected(relay=relay) as (second, listener),
    ):
        told = told_aside(first, clinging(first, source, b"one", over))
        assert read(client, 3) == b"one"
        os.dup2(reused, source)
        later = told_aside(second, clinging(second, source, b"two", others))
        assert read(listener, 3) == b"two"
        for end, failed in ((over, told), (others, later)):
            end.set()
            with pytest.raises(ValueError, match="no more"):
                failed.result(30)
    assert hears(relay)


def test_what_happens_to_a_descriptor_that_is_closed_here_alone_ends_nothing() -> None:
    """Another process may have it open still: then epoll(7) goes on telling of it."""
    relay, over = Relay(), threading.Event()
    with pipe() as (source, write, _), connected(relay=relay) as (seat, client):
        told = told_aside(seat, clinging(seat, source, b"one", over))
        assert read(client, 3) == b"one"
        with open(os.dup(source), "rb"):
            with open(os.devnull, "rb") as nothing:
                os.dup2(nothing.fileno(), source)
            over.set()
            with pytest.raises(ValueError, match="no more"):
                told.result(30)
            write(b"x")
            assert hears(relay)


def test_a_client_that_is_closed_here_alone_ends_only_its_answer() -> None:
    relay, served, client = Relay(), *socket.socketpair()
    with client, served.dup():
        seat = relay.seat({"gunicorn.socket": served, "SERVER_PROTOCOL": "HTTP/1.0"})
        assert seat is not None
        client.settimeout(30)
        told = told_aside(seat, words_for_ever(), b": there?")
        assert read(client, 3) == b"one"
        served.close()
        client.shutdown(socket.SHUT_WR)
        with pytest.raises(Disconnected):
            told.result(30)
    assert hears(relay)


def words_for_ever() -> Pieces:
    yield b"one"
    while True:
        yield b""


def resting(seat: Seat, source: int, resumed: threading.Event) -> Pieces:
    seat.register(source, select.POLLIN)
    seat.rest()
    yield b"one"
    resumed.set()
    seat.unregister(source)


def resumed_before_there_was_anything() -> bool:
    relay, resumed = Relay(), threading.Event()
    with (
        connected(relay=relay) as (seat, client),
        pipe() as (source, _, close),
        telling(seat, resting(seat, source, resumed)),
    ):
        assert read(client, 3) == b"one"
        with connected(relay=relay) as (other, _):
            other.tell(words(b"two"))
        early = resumed.is_set()
        close()
    assert resumed.is_set()
    return early


def test_one_that_rests_is_left_alone_until_there_is_something() -> None:
    """But for the sweep, which may come between."""
    assert not all(resumed_before_there_was_anything() for _ in range(10))


def endless(counted: list[int]) -> Pieces:
    while True:
        counted[0] += 1
        yield b"x" * 10_000


def test_who_does_not_read_is_not_read_for() -> None:
    counted = [0]
    with connected() as (seat, client), telling(seat, endless(counted)):
        told_until = settled(counted)
        assert 0 < told_until < 2000
        received = read(client, 30_000_000)
        assert received == b"x" * 30_000_000
        assert counted[0] >= 3000
        client.close()


def settled(counted: list[int]) -> int:
    """The count once it stands still for a while."""
    while True:
        before = counted[0]
        time.sleep(0.3)
        if before and counted[0] == before:
            return before


def test_the_source_of_one_who_does_not_read_wakes_nobody() -> None:
    relay = Relay()
    with (
        connected(relay=relay) as (deaf, client),
        pipe() as (source, write, close),
        telling(deaf, fed(deaf, source)) as told,
    ):
        sent = 0
        with suppress(BlockingIOError):
            while True:
                sent += write(b"y" * 60_000)
                time.sleep(0.001)
        began = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - began < 0.2
        received = 0
        close()
        while received < sent:
            received += len(client.recv(1_000_000))
        told.result(5)


def test_who_takes_nothing_is_given_up_after_the_sockets_own_time_limit() -> None:
    with connected(limit_seconds=1) as (seat, _):
        began = time.monotonic()
        with pytest.raises(Disconnected):
            seat.tell(endless([0]))
        assert 0.9 < time.monotonic() - began < 3


@contextmanager
def paired(limit_seconds: int) -> Iterator[tuple[Seat, socket.socket]]:
    """As `connected`, but the system forwards what is read at once and bit by bit, and keeps little on its way."""
    served, client = socket.socketpair()
    with served, client:
        served.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", limit_seconds, 0))
        served.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        seat = Relay().seat({"gunicorn.socket": served, "SERVER_PROTOCOL": "HTTP/1.0"})
        assert seat is not None
        yield seat, client


def small_pieces(seconds: float) -> Pieces:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield b"x" * 50


@contextmanager
def reading(client: socket.socket, bytes_a_tenth: int) -> Iterator[None]:
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.1):
            with suppress(BlockingIOError):
                client.recv(bytes_a_tenth, socket.MSG_DONTWAIT)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        over.set()
        reader.join()


def test_who_takes_but_a_little_now_and_then_is_given_up_too() -> None:
    with paired(limit_seconds=1) as (seat, client), reading(client, 10), pytest.raises(Disconnected):
        seat.tell(small_pieces(8))


def test_who_is_slow_but_steady_is_told_all() -> None:
    with paired(limit_seconds=1) as (seat, client), reading(client, 200):
        seat.tell(small_pieces(4))


def test_who_is_stuck_is_given_up_when_the_providers_time_is_over() -> None:
    with connected() as (seat, _):
        seat.ends_at(time.monotonic() + 0.5)
        began = time.monotonic()
        with pytest.raises(Disconnected):
            seat.tell(endless([0]))
        assert 0.4 < time.monotonic() - began < 2


def test_many_at_once_with_one_thread_for_all() -> None:
    relay = Relay()
    before = threading.active_count()
    with ThreadPoolExecutor(40) as pool:
        tellings = [pool.submit(tell_one, relay, number) for number in range(40)]
        assert [telling.result(20) for telling in tellings] == [
            b"".join(b"%d-%d " % (number, turn) for turn in range(20)) for number in range(40)
        ]
    assert threading.active_count() == before + 1


def tell_one(relay: Relay, number: int) -> bytes:
    with connected(relay=relay) as (seat, client):
        seat.tell(b"%d-%d " % (number, turn) for turn in range(20))
        client.settimeout(5)
        return read(client, sum(len(b"%d-%d " % (number, turn)) for turn in range(20)))


def test_a_client_over_tls(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    server, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(pem))
    server.load_cert_chain(pem)
    size = 3_000_000
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor(1) as pool,
        socket.create_connection(listener.getsockname(), 5) as plain,
        listener.accept()[0] as accepted,
    ):
        shaken = pool.submit(trusting.wrap_socket, plain, server_hostname="127.0.0.1")
        with server.wrap_socket(accepted, server_side=True) as served, shaken.result(5) as client:
            seat = Relay().seat({"gunicorn.socket": served, "SERVER_PROTOCOL": "HTTP/1.0"})
            assert seat is not None
            telling = pool.submit(seat.tell, words(*[b"z" * 10_000] * (size // 10_000)))
            assert read(client, size) == b"z" * size
            telling.result(5)

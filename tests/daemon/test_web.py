"""gunicorn as this project runs it, in a real process around a small application."""

import contextlib
import functools
import http.client
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightspeed_stack.daemon.worker import SILENT_CONNECTIONS
from tests.fakes import tls
from tests.fakes.daemon import Process

PROGRAM = """
import contextlib, os, pathlib, sys, time
from lightspeed_stack.daemon import config, listen, log, notify, web

folder = pathlib.Path(sys.argv[1])
log.setup("test")
if "SLOW_FORK" in os.environ:
    os.register_at_fork(after_in_child=lambda: time.sleep(1))

def load():
    text = (folder / "text").read_text()
    if text == "bad":
        raise config.ConfigError(config.Fault("file", "key", "is bad"))
    load.text = text
    pem = next(folder.glob("*.pem"), None)
    return listen.Listen("127.0.0.1", 0, workers=2, threads=4, read_timeout_seconds=int(os.environ.get("READ_TIMEOUT", 1)),
                         write_timeout_seconds=int(os.environ.get("WRITE_TIMEOUT", 30)), graceful_timeout_seconds=10, worker_directory=folder, tls_certificate=pem, tls_key=pem)

def make_app():
    text = load.text.encode()
    def application(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            start_response("200 OK", [])
            def pieces():
                for _ in range(20):
                    time.sleep(0.05)
                    yield b"x"
            return pieces()
        if environ["PATH_INFO"] == "/much":
            start_response("200 OK", [("Content-Length", str(32 << 20))])
            return [bytes(1 << 20)] * 32
        if environ["PATH_INFO"] == "/files":
            with contextlib.ExitStack() as opened:
                files = [opened.enter_context(open("/dev/null")) for _ in range(8)]
            start_response("200 OK", [])
            return [str(len(files)).encode()]
        if environ["PATH_INFO"] == "/broken":
            start_response("200 OK", [("Content-Length", "5")])
            def pieces():
                yield b"x"
                raise ValueError("no more")
            return pieces()
        body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else text
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    return application

sys.exit(web.serve(load, make_app, notify.Notifier.take(os.environ)))
"""


ASK = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Manager:
    """The side of sd_notify that systemd has."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(20)

    def wait_for(self, text: str) -> list[str]:
        said: list[str] = []
        while not any(text in line for line in said):
            said.extend(self.socket.recv(4096).decode().splitlines())
        return said


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


class Server(Process):
    def __init__(self, folder: Path, environ: dict[str, str] | None = None, prefix: Iterable[str] = ()) -> None:
        (folder / "text").write_text("one")
        self.folder = folder
        super().__init__([*prefix, sys.executable, "-c", PROGRAM, str(folder)], environ)

    @property
    def url(self) -> str:
        return self.wait_for(r"ready: Serving at (https?://[^,]+)").group(1)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.partition("://")[2].split(":")
        return host, int(port)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_serves_and_stops(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        assert get(server.url) == "one"
        assert server.stop() == 0


def test_tells_systemd_when_it_serves_lives_reloads_and_stops(tmp_path: Path, manager: Manager) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    with Server(tmp_path, environ) as server:
        assert manager.wait_for("READY=1")[0] == "READY=1"  # nothing before it
        assert get(server.url) == "one"
        manager.wait_for("WATCHDOG=1")
        (tmp_path / "text").write_text("two")
        server.signal(signal.SIGHUP)
        manager.wait_for("RELOADING=1")
        manager.wait_for("READY=1")
        assert get(server.url) == "two"
        server.signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert server.wait() == 0


def test_a_bad_configuration_leaves_the_running_one(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        url = server.url
        (tmp_path / "text").write_text("bad")
        server.signal(signal.SIGHUP)
        server.wait_for("reload refused: file: key: is bad")
        server.wait_for("the running configuration is kept")
        assert get(url) == "one"


def test_a_bad_configuration_at_the_start_raises(tmp_path: Path) -> None:
    server = Server(tmp_path)
    (tmp_path / "text").write_text("bad")
    with server:
        server.wait_for("ConfigError")
        assert server.wait() == 1


def test_no_header_moves_the_path(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        for prefix in ("/other", "/public"):
            asked = urllib.request.Request(f"{server.url}/public/slow", headers={"SCRIPT_NAME": prefix})
            with urllib.request.urlopen(asked, timeout=20) as answer:
                assert answer.read() == b"one"


def test_idle_connections_are_kept_and_keep_nobody_out(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        idle = [http.client.HTTPConnection(*server.address, timeout=20) for _ in range(24)]
        for _ in range(2):
            for connection in idle:
                connection.request("GET", "/")
                answer = connection.getresponse()
                assert (answer.read(), answer.getheader("Connection")) == (b"one", "keep-alive")
        assert get(server.url) == "one"
        for connection in idle:
            connection.close()


def test_silent_connections_hold_no_thread_and_delay_no_stop(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        silent = [socket.create_connection(server.address) for _ in range(24)]
        began = time.monotonic()
        assert [get(server.url) for _ in range(8)] == ["one"] * 8
        assert time.monotonic() - began < 2
        for client in silent[:12]:
            client.sendall(ASK)
        assert all(client.recv(65536).endswith(b"one") for client in silent[:12])
        for client in silent[12:18]:
            client.close()
        assert get(server.url) == "one"
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 8
        for client in silent:
            client.close()


def test_of_too_many_silent_connections_the_oldest_go(tmp_path: Path) -> None:
    with Server(tmp_path) as server, contextlib.ExitStack() as opened:
        address, kept = server.address, 2 * SILENT_CONNECTIONS
        silent = [opened.enter_context(socket.create_connection(address)) for _ in range(2 * kept)]
        assert get(server.url) == "one"
        silent[-1].sendall(ASK)
        assert silent[-1].recv(65536).endswith(b"one")
        deadline = time.monotonic() + 10
        while sum(readable(client, 0) for client in silent) < len(silent) - kept:
            assert time.monotonic() < deadline
        opened.close()
        assert get(server.url) == "one"
        assert not any("Traceback" in line for line in server.log)


def test_a_worker_without_descriptors_drops_who_asks_nothing(tmp_path: Path) -> None:
    """And not the streams that are being told."""
    with (
        Server(tmp_path, prefix=("prlimit", "--nofile=80")) as server,
        urllib.request.urlopen(server.url + "/slow", timeout=20) as answer,
        contextlib.ExitStack() as opened,
    ):
        for _ in range(300):
            opened.enter_context(socket.create_connection(server.address))
        assert [get(server.url) for _ in range(4)] == ["one"] * 4
        assert answer.read() == b"x" * 20
        assert not any("Traceback" in line for line in server.log)


def test_what_the_silent_leave_of_descriptors_is_enough_to_answer_with(tmp_path: Path) -> None:
    with Server(tmp_path, prefix=("prlimit", "--nofile=60")) as server, contextlib.ExitStack() as opened:
        address, url = server.address, server.url + "/files"
        for _ in range(100):
            opened.enter_context(socket.create_connection(address))
            assert get(url) == "8"


def test_it_gives_itself_the_descriptors_that_it_may_have(tmp_path: Path) -> None:
    with Server(tmp_path, prefix=("prlimit", "--nofile=100:200")) as server:
        assert get(server.url) == "one"
        limits = Path(f"/proc/{server.popen.pid}/limits").read_text()
        assert re.search(r"^Max open files +200 +200 ", limits, re.MULTILINE)


def test_one_thread_serves_a_client_that_asks_again_at_once_and_then_lets_go(tmp_path: Path) -> None:
    with Server(tmp_path) as server, contextlib.closing(http.client.HTTPConnection(*server.address, timeout=20)) as one:
        for length in (1, 100_000, 1):
            one.request("POST", "/", b"x" * length)
            assert len(one.getresponse().read()) == length
        server.signal(signal.SIGTERM)
        assert server.wait() == 0


def test_an_answer_that_fails_half_way_is_logged_and_cut_short(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        with pytest.raises(http.client.IncompleteRead):
            get(server.url + "/broken")
        server.wait_for("ValueError: no more")
        assert get(server.url) == "one"


def test_a_stream_in_flight_is_finished_at_a_stop(tmp_path: Path) -> None:
    with Server(tmp_path) as server, urllib.request.urlopen(server.url + "/slow", timeout=20) as answer:
        assert answer.read(1) == b"x"
        server.signal(signal.SIGTERM)
        assert answer.read() == b"x" * 19
        assert server.wait() == 0


def test_half_sent_requests_do_not_hold_their_threads(tmp_path: Path) -> None:
    """Twice as many half-sent requests as there are threads; a whole one is answered once the read limit is over."""
    with Server(tmp_path) as server:
        address = server.address
        held = [socket.create_connection(address) for _ in range(16)]
        for number, client in enumerate(held):
            client.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\n" + (b"Content-Length: 100\r\n\r\nhalf" if number % 2 else b"")
            )
        assert get(server.url) == "one"
        for client in held:
            client.close()
        assert not any("Traceback" in line for line in server.log)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer SECRET\r\n\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET\x01\r\n\r\n", b"400 "),
        (b"GET /?key=SECRET of mine\r\n\r\n", b"400 "),
        (b"GET /?key=SECRET HTTP/9.1\r\n\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: SECRET\r\n\r\n", b"501 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: SECRET\r\n\r\n", b"417 "),
    ],
)
def test_what_is_no_request_is_repeated_nowhere(tmp_path: Path, request_head: bytes, status: bytes) -> None:
    with Server(tmp_path) as server:
        with socket.create_connection(server.address, 20) as client:
            client.sendall(request_head)
            head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status)
        assert set(json.loads(body)["detail"]) == {"response", "cause"}
        server.wait_for(r"no valid request \(\w+\): 127\.0\.0\.1")
        server.stop()
        assert not any("SECRET" in line for line in [*server.log, head.decode(), body.decode()])


def readable(client: socket.socket, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(client, select.POLLIN)
    return bool(waiting.poll(1000 * seconds))


def dripping(address: tuple[str, int], head: bytes) -> bytes:
    """What a client is told that sends `head` and then a byte ten times a second, before it is disconnected."""
    with socket.create_connection(address, 20) as client:
        client.sendall(head)
        for _ in range(200):
            if readable(client, 0.1):
                return client.recv(65536)
            client.sendall(b"x")
    raise AssertionError("nobody minded")


@pytest.mark.parametrize("head", [b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf"])
def test_a_byte_now_and_then_holds_no_thread(tmp_path: Path, head: bytes) -> None:
    with Server(tmp_path) as server:
        server.url  # noqa: B018 - waits until it serves
        with ThreadPoolExecutor(16) as pool:
            told = list(pool.map(dripping, [server.address] * 16, [head] * 16))
        assert get(server.url) == "one"
        assert {answer[:12] for answer in told} <= {b"HTTP/1.1 408", b""}
        assert any(told)
        assert len([line for line in server.log if "too slow" in line]) == 16
        assert not any("Traceback" in line for line in server.log)


UNFINISHED_HANDSHAKE = b"\x16\x03\x01\x02\x00\x01"
UNFINISHED_RECORD = b"\x17\x03\x03\x40\x00"


def test_a_byte_now_and_then_holds_no_thread_within_tls(tmp_path: Path) -> None:
    certificate = tls.certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))
    with Server(tmp_path) as server:
        assert dripping(server.address, UNFINISHED_HANDSHAKE) == b""
        with (
            socket.create_connection(server.address, 20) as client,
            client.dup() as beneath,
            context.wrap_socket(client, server_hostname="127.0.0.1") as wrapped,
        ):
            wrapped.sendall(b"POST / HT")
            beneath.sendall(UNFINISHED_RECORD)
            dripper = threading.Thread(target=drip, args=(beneath,))
            dripper.start()
            assert wrapped.recv(65536).startswith(b"HTTP/1.1 408")
            beneath.shutdown(socket.SHUT_RDWR)
            dripper.join()
        with urllib.request.urlopen(server.url, timeout=20, context=context) as answer:
            assert answer.read() == b"one"
        assert not any("Traceback" in line for line in server.log)


def test_who_says_nothing_after_the_handshake_of_tls_holds_no_thread_and_delays_no_stop(tmp_path: Path) -> None:
    certificate = tls.certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))
    with Server(tmp_path, {"READ_TIMEOUT": "60"}) as server, contextlib.ExitStack() as opened:
        silent = [
            opened.enter_context(
                context.wrap_socket(socket.create_connection(server.address, 20), server_hostname="127.0.0.1")
            )
            for _ in range(24)
        ]
        for client in silent[:12]:
            client.sendall(ASK)
            assert b"".join(iter(functools.partial(client.recv, 65536), b"")).endswith(b"one")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 8


def test_who_reads_nothing_of_an_answer_over_tls_holds_no_thread_for_ever(tmp_path: Path) -> None:
    certificate = tls.certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))
    with Server(tmp_path, {"WRITE_TIMEOUT": "1"}) as server, contextlib.ExitStack() as opened:
        for _ in range(24):
            plain = socket.create_connection(server.address, 20)
            client = opened.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
            client.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        with urllib.request.urlopen(server.url, timeout=30, context=context) as answer:
            assert answer.read() == b"one"


@pytest.mark.parametrize("size", [8191, 8192, 8193, 15_000])
def test_a_request_behind_another_in_one_record_of_tls_is_answered(tmp_path: Path, size: int) -> None:
    certificate = tls.certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7000\r\nX: %b\r\n\r\n"
    first = head % (b"x" * (size - 7000 - len(head) + 2)) + b"y" * 7000
    with (
        Server(tmp_path) as server,
        context.wrap_socket(socket.create_connection(server.address, 20), server_hostname="127.0.0.1") as client,
    ):
        client.sendall(first + ASK)
        assert b"".join(iter(lambda: client.recv(65536), b"")).count(b"HTTP/1.1 200") == 2


def test_a_worker_that_gets_no_more_threads_serves_with_those_it_has(tmp_path: Path) -> None:
    """A stack of a gigabyte a thread, and room for two or three of them."""
    limits = ("prlimit", f"--stack={1 << 30}:", f"--as={7 << 29}:")
    with Server(tmp_path, prefix=limits) as server, contextlib.ExitStack() as opened:
        held = [opened.enter_context(socket.create_connection(server.address, 20)) for _ in range(16)]
        for client in held:
            client.sendall(b"POST / HTTP/1.1\r\n")
        assert [client.recv(65536)[:12] for client in held] == [b"HTTP/1.1 408"] * 16
        assert [get(server.url) for _ in range(8)] == ["one"] * 8
        server.wait_for(r"no more than [123] threads")
        assert server.stop() == 0
        assert not any("Traceback" in line for line in server.log)


def drip(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(200):
            client.sendall(b"x")
            time.sleep(0.1)


def test_a_large_body_may_take_its_time(tmp_path: Path) -> None:
    """Three times as long as a client may keep us waiting, with a body that earns it."""
    with Server(tmp_path) as server, socket.create_connection(server.address, 20) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
        for _ in range(9):
            assert not readable(client, 0.33), client.recv(65536)
            client.sendall(b"x" * 1000)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_workers_that_are_only_just_made_stop_at_once(tmp_path: Path) -> None:
    with Server(tmp_path, {"SLOW_FORK": "1"}) as server:
        server.wait_for("listening at")
        while not subprocess.run(["pgrep", "-P", str(server.popen.pid)], capture_output=True).stdout:
            assert server.popen.poll() is None
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        url = server.url
        children = subprocess.run(
            ["pgrep", "-P", str(server.popen.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        assert len(children) == 2
        os.kill(int(children[0]), signal.SIGKILL)
        server.wait_for("Perhaps out of memory")
        assert get(url) == "one"

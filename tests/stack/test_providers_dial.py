"""Connections: TLS, proxies, deadlines."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from lightspeed_stack import errors
from lightspeed_stack.providers import dial
from lightspeed_stack.providers.base import Message
from lightspeed_stack.providers.dial import Dialer
from lightspeed_stack.providers.openai import OpenAI
from lightspeed_stack.providers.wait import Waiter
from tests.fakes.application import provider
from tests.fakes.daemon import ROOT, Stack, merged
from tests.fakes.provider import FakeProvider
from tests.fakes.providers import settings
from tests.fakes.tls import TlsFront, certificate

HI = [Message("user", "hi")]


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.mark.parametrize(
    ("url", "authority", "resource"),
    [
        ("http://h/v1", "h", "/v1/models"),
        ("http://h:80/v1/", "h", "/v1/models"),
        ("https://h:80", "h:80", "/models"),
        ("http://[::1]:8000/v1", "[::1]:8000", "/v1/models"),
        ("https://h/openai/deployments/d?api-version=2", "h", "/openai/deployments/d/models?api-version=2"),
    ],
)
def test_where_a_url_leads(url: str, authority: str, resource: str) -> None:
    target = dial.parse(url)
    assert (target.authority, target.resource("models")) == (authority, resource)


@pytest.mark.parametrize("url", ["", "h/v1", "ftp://h/", "https://", "http://h:x/", "http://h:70000/"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        dial.parse(url)


def test_tls_to_a_server_that_the_bundle_vouches_for(fake: FakeProvider, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with TlsFront(fake.port, pem) as front:
        provider = OpenAI(settings(front.url, ca_bundle=pem))
        assert provider.ask(HI, "ok").text == "Hello from fake"
        assert "".join(token for tokens in provider.stream(HI, "tokens-3-0.01") for token in tokens) == (
            "word0 word1 word2 "
        )
        assert fake.accepted == 1


def test_a_large_question_and_answer_over_tls(fake: FakeProvider, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with TlsFront(fake.port, pem) as front:
        text = "x" * 600_000
        assert OpenAI(settings(front.url, ca_bundle=pem)).ask([Message("user", text)], "echo").text == text


def test_a_stream_over_tls_can_be_closed_from_another_thread(fake: FakeProvider, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with TlsFront(fake.port, pem) as front:
        stream = OpenAI(settings(front.url, ca_bundle=pem)).stream(HI, "silent-after-tokens")
        told = ""
        for tokens in stream:
            told += "".join(tokens)
            if tokens and told == "Hello from fake":
                threading.Timer(0.2, stream.close).start()
        assert told == "Hello from fake"
        assert fake.wait_until(lambda fake: fake.connections == 0)


def test_a_certificate_that_nobody_vouches_for(fake: FakeProvider, tmp_path: Path) -> None:
    with TlsFront(fake.port, certificate(tmp_path)) as front:
        provider = OpenAI(settings(front.url))
        with pytest.raises(errors.ProviderUnavailable):
            provider.ask(HI, "ok")
        assert "its certificate is not trusted: self-signed certificate" in str(provider.health())


def test_a_certificate_for_another_host(fake: FakeProvider, tmp_path: Path) -> None:
    pem = certificate(tmp_path, "127.0.0.2")
    with TlsFront(fake.port, pem) as front:
        assert "its certificate is not trusted" in str(OpenAI(settings(front.url, ca_bundle=pem)).health())


def test_a_server_that_does_not_speak_tls(fake: FakeProvider) -> None:
    with pytest.raises(errors.ProviderUnavailable):
        OpenAI(settings(fake.url.replace("http:", "https:"), connect_timeout_seconds=0.3)).ask(HI, "ok")


def test_a_handshake_that_never_comes(fake: FakeProvider, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with TlsFront(fake.port, pem, silent=True) as front:
        provider = OpenAI(settings(front.url, ca_bundle=pem, connect_timeout_seconds=0.2))
        assert "no connection within 0.2 s" in str(provider.health())


def test_a_host_that_does_not_answer() -> None:
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    with full, socket.create_connection(("127.0.0.1", port)):
        provider = OpenAI(settings(f"http://127.0.0.1:{port}/v1", connect_timeout_seconds=0.2))
        with pytest.raises(errors.ProviderUnavailable):
            provider.ask(HI, "ok")


def test_the_second_address_of_a_name(fake: FakeProvider) -> None:
    """localhost is ::1 first where there is IPv6, and nobody listens there."""
    assert OpenAI(settings(f"http://localhost:{fake.port}/v1")).ask(HI, "ok").text == "Hello from fake"


class Proxy:
    """One connection: reads a request's head, answers with `reply`, then passes bytes on to `port` or closes."""

    def __init__(self, reply: bytes, port: int | None = None) -> None:
        self.head = b""
        self._reply = reply
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    @property
    def url(self) -> str:
        return f"http://me:p%40ss@127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while b"\r\n\r\n" not in self.head and (data := connection.recv(65536)):
                self.head += data
            connection.sendall(self._reply)
            if self._port:
                self._pass_on(connection)

    def _pass_on(self, connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as inner:
            back = threading.Thread(target=_pump, args=(inner, connection))
            back.start()
            _pump(connection, inner)
            back.join()


def _pump(source: socket.socket, drain: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            drain.sendall(data)
        drain.shutdown(socket.SHUT_WR)
    except OSError:
        return


LOGIN = b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss")


def test_a_proxy_for_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"choices": [{"message": {"content": "x"}}]}'
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with Proxy(reply) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert OpenAI(settings("http://provider.example/v1")).ask(HI, "m").text == "x"
    assert proxy.head.startswith(b"POST http://provider.example/v1/chat/completions HTTP/1.1\r\n")
    assert b"Host: provider.example\r\n" in proxy.head
    assert LOGIN in proxy.head


def test_a_proxy_for_https(monkeypatch: pytest.MonkeyPatch, fake: FakeProvider, tmp_path: Path) -> None:
    pem = certificate(tmp_path, "127.0.0.2")
    with (
        TlsFront(fake.port, pem) as front,
        Proxy(b"HTTP/1.1 200 Connection established\r\n\r\n", _port(front.url)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        provider = OpenAI(settings("https://127.0.0.2:4430/v1", ca_bundle=pem))
        assert provider.ask(HI, "ok").text == "Hello from fake"
        del provider
    assert proxy.head.startswith(b"CONNECT 127.0.0.2:4430 HTTP/1.1\r\n")
    assert LOGIN in proxy.head


def _port(url: str) -> int:
    return int(url.split(":")[2].split("/")[0])


@pytest.mark.parametrize("reply", [b"HTTP/1.1 407 No\r\n\r\n", b"nonsense\r\n\r\n", b"", b"x" * 20_000])
def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    with Proxy(reply) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(errors.ProviderUnavailable):
            OpenAI(settings("https://provider.example/v1")).ask(HI, "m")


def test_no_proxy_for_loopback_and_for_whom_no_proxy_names(monkeypatch: pytest.MonkeyPatch, fake: FakeProvider) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert OpenAI(settings(fake.url)).ask(HI, "ok").text == "Hello from fake"
    monkeypatch.setenv("no_proxy", "127.0.0.2")
    assert OpenAI(settings("http://127.0.0.2:9/v1")).health() == "Connection error: 127.0.0.2:9: Connection refused"


class Names:
    """A system's resolver that knows one name, in another process too: addresses are the lines of a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "addresses"
        (folder / "sitecustomize.py").write_text(RESOLVER)
        self.environ = {"PYTHONPATH": f"{folder}:{ROOT}", "ADDRESSES": str(self._file), "no_proxy": "*"}

    def are(self, *addresses: str) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text("\n".join(addresses))
        draft.rename(self._file)


RESOLVER = """
import os, pathlib, socket
find = socket.getaddrinfo

def getaddrinfo(host, *arguments, **options):
    if host != "provider.test":
        return find(host, *arguments, **options)
    addresses = pathlib.Path(os.environ["ADDRESSES"]).read_text().split()
    if not addresses:
        raise socket.gaierror(-3, "Temporary failure in name resolution")
    return [one for address in addresses for one in find(address, *arguments, **options)]

socket.getaddrinfo = getaddrinfo
"""


def test_a_name_that_could_not_be_looked_up_is_looked_up_again(fake: FakeProvider, tmp_path: Path) -> None:
    names = Names(tmp_path)
    names.are()
    named = provider(f"http://provider.test:{fake.port}/v1", models=["ok"])
    with Stack(tmp_path, merged(named, {"service": {"workers": 1}}), names.environ) as stack:
        assert status(stack, "POST", "/v1/query") == 503
        assert status(stack, "GET", "/readiness") == 503
        names.are("127.0.0.1")
        until(lambda: status(stack, "GET", "/readiness") == 200)
        assert status(stack, "POST", "/v1/query") == 200


def test_addresses_serve_while_no_newer_can_be_had(fake: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    dialer = Dialer(dial.parse(f"http://localhost:{fake.port}/v1"), 5, None, addresses_seconds=0)
    dialer.look_up()
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", no_names)
        dialer.look_up()
        assert connects(dialer)


def no_names(*arguments: object, **options: object) -> list[object]:
    raise socket.gaierror(-3, "Temporary failure in name resolution")


def connects(dialer: Dialer) -> bool:
    dialing = dialer.dial(Waiter(5))
    while True:
        try:
            next(dialing)
        except StopIteration as end:
            end.value.close()
            return True


def status(stack: Stack, method: str, path: str) -> int:
    body = {"query": "?"} if method == "POST" else None
    return requests.request(method, stack.url + path, json=body, timeout=10).status_code


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)

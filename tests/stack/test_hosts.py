"""The names that a daemon answers to, decided in one place and asked over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from lightspeed_stack.hosts import Hosts
from tests.fakes.daemon import ROOT, Stack

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
OWN = ("localhost", "Assistant.Example.com")


def answers(host: str | None, listening_at: str = LOOPBACK, allowed: tuple[str, ...] = ()) -> bool:
    environ = {"SERVER_NAME": listening_at} | ({} if host is None else {"HTTP_HOST": host})
    return Hosts(allowed, OWN).answers_to(environ)


@pytest.mark.parametrize("port", ["", ":8080"])
@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "app.localhost",
        "127.0.0.1",
        "10.1.2.3",
        "[::1]",
        "assistant.example.com",
    ],
)
def test_names_that_no_stranger_can_have(name: str, port: str) -> None:
    assert answers(name + port)
    assert answers(name + port, allowed=("other.example",))


@pytest.mark.parametrize(
    "name", ["evil.example", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example", "stack", "[evil", "@"]
)
def test_names_that_anybody_can_have(name: str) -> None:
    for host in (name, f"{name}:8080"):
        assert not answers(host)
        assert not answers(host, "::1")
        assert answers(host, EVERYWHERE)
        assert answers(host, name), "a Unix socket: the server's name is the Host's"
        assert not answers(host, EVERYWHERE, ("other.example",))
        assert answers(host, LOOPBACK, ("*",))


@pytest.mark.parametrize("host", [None, ""])
def test_no_name_is_no_browsers(host: str | None) -> None:
    assert answers(host)
    assert answers(host, EVERYWHERE, ("other.example",))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    service = {"base_url": "https://assistant.example.com/ai", "allowed_hosts": ["stack.internal"]}
    with Stack(tmp_path_factory.mktemp("stack"), {"service": service}) as running:
        yield running


def ask(stack: Stack, host: str, **more: Any) -> requests.Response:
    return requests.post(f"{stack.url}/v1/query", json={"query": "?"}, headers={"Host": host, **more}, timeout=20)


def test_a_page_whose_name_leads_to_loopback_gets_nothing(stack: Stack) -> None:
    for path in ("/", "/v1/conversations", "/v1/config", "/openapi.json", "/liveness"):
        assert requests.get(stack.url + path, headers={"Host": "evil.example:8080"}, timeout=20).status_code == 421
    answer = ask(stack, "evil.example", **{"x-request-id": "r-1"})
    assert answer.status_code == 421
    assert "service.allowed_hosts" in answer.json()["detail"]
    assert stack.wait_for(r"POST - 421 .* request=r-1 user=- outcome=misdirected")


@pytest.mark.parametrize("host", ["localhost:1", "assistant.example.com", "stack.internal", "127.0.0.1"])
def test_who_means_us_is_answered(stack: Stack, host: str) -> None:
    assert ask(stack, host).status_code == 200


def test_where_credentials_are_asked_for_any_name_will_do(tmp_path: Path) -> None:
    authentication = {"module": "api-key-token", "api_key_config": {"api_key": "secret"}}
    with Stack(tmp_path, {"authentication": authentication}) as stack:
        assert ask(stack, "evil.example").status_code == 401
        assert ask(stack, "evil.example", Authorization="Bearer secret").status_code == 200


def test_behind_a_unix_socket_any_name_will_do(tmp_path: Path) -> None:
    """As systemd hands one over."""
    path = tmp_path / "socket"
    file = tmp_path / "lightspeed-stack.yaml"
    file.write_text(yaml.safe_dump({"state_dir": str(tmp_path / "state"), "service": {"workers": 1}}))
    start = f"LISTEN_PID=$$ LISTEN_FDS=1 exec {sys.executable} -m lightspeed_stack -c {file} 3<&0"
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(["sh", "-c", start], stdin=listener, stderr=subprocess.DEVNULL, env=environ) as daemon:
            try:
                assert status(path, "stack.example") == 200
            finally:
                daemon.terminate()


def status(path: Path, host: str) -> int:
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(20)
        client.connect(str(path))
        connection = HTTPConnection("unix")
        connection.sock = client
        connection.request("GET", "/v1/info", headers={"Host": host})
        return connection.getresponse().status

from __future__ import annotations

import socket

import pytest

from lightspeed_stack.daemon.config import ConfigError
from lightspeed_stack.daemon.listen import Listen, check


def at(port: int) -> Listen:
    return Listen("127.0.0.1", port, workers=1, threads=1)


def test_an_address_that_somebody_else_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"service\.port: something listens at 127\.0\.0\.1:{port} already"):
            check(at(port), serving=at(0))


def test_ones_own_address_is_not_asked_for_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
        check(at(port), serving=at(port))


def test_an_address_that_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    check(at(port), serving=at(0))


def test_at_the_start_the_server_finds_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check(at(taken.getsockname()[1]))

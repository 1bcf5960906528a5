import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightspeed_stack.daemon.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd would listen at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_tells_states_as_sd_notify_has_them(manager: socket.socket) -> None:
    notifier = Notifier.take(os.environ)
    said = []
    for tell in (
        lambda: notifier.ready("up"),
        lambda: notifier.status("busy"),
        notifier.stopping,
        notifier.watchdog,
        lambda: notifier.extend_timeout(1.5),
    ):
        tell()
        said.append(manager.recv(1000).decode())
    assert said == [
        "READY=1\nSTATUS=up",
        "STATUS=busy",
        "STOPPING=1\nSTATUS=Stopping",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=1500000",
    ]
    notifier.reloading()
    assert manager.recv(1000).decode().startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert "NOTIFY_SOCKET" not in os.environ
    notifier._socket.socket.close()  # type: ignore[union-attr]  # sdnotify has no close


def test_says_nothing_outside_systemd() -> None:
    notifier = Notifier({})
    notifier.ready("up")
    assert notifier.watchdog_seconds is None


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_knows_how_often_the_watchdog_wants_a_ping(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ).watchdog_seconds == seconds

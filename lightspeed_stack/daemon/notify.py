"""Tell systemd how the daemon is (sd_notify(3)). Outside systemd every call does nothing."""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping

import sdnotify


class Notifier:
    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._socket = sdnotify.SystemdNotifier() if environ.get("NOTIFY_SOCKET") else None
        self.watchdog_seconds = _watchdog(environ)

    @staticmethod
    def take(environ: MutableMapping[str, str]) -> Notifier:
        """A notifier that is the only one: children and libraries no longer see the socket."""
        notifier = Notifier(environ)
        environ.pop("NOTIFY_SOCKET", None)
        return notifier

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def reloading(self) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "Stopping") -> None:
        self._send(f"STOPPING=1\nSTATUS={status}")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for `seconds` more from now on, while a long run makes progress."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def _send(self, state: str) -> None:
        if self._socket:
            self._socket.notify(state)


def _watchdog(environ: MutableMapping[str, str]) -> float | None:
    """Seconds within which systemd wants a ping (sd_watchdog_enabled(3)), None when it doesn't."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    wanted = usec.isdigit() and int(usec) > 0 and (not pid or pid == str(os.getpid()))
    return int(usec) / 1_000_000 if wanted else None

"""One HTTP exchange at a time, under one deadline that covers all of it, and ended by a signal within seconds.

It knows nothing of batches. What it reports of a failure names no address and no secret. The network is in `wire`, which
is loaded when there is something to send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lightspeed_collector.errors import Misconfigured
from lightspeed_collector.stop import Stop


class Unreachable(Exception):
    """No answer; whether the request arrived is not known. The message is for people."""


@dataclass(frozen=True)
class Tls:
    """What to trust, and who we are; None is the system's default and nobody."""

    ca_bundle: Path | None
    client_cert: Path | None
    client_key: Path | None


@dataclass
class Reply:
    """An answer; `body` is at most its first 64 KiB, as far as they came."""

    status: int = 0
    headers: Mapping[str, str] | None = None
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return self.headers.get(name) if self.headers else None


class Exchange:
    def __init__(self, tls: Tls, timeout: float, deadline: float, stop: Stop) -> None:
        """`timeout` is for connecting and for each silence, `deadline` for an exchange as a whole."""
        self._tls = tls
        self._timeout = timeout
        self._deadline = deadline
        self._stop = stop

    def post(self, url: str, headers: Mapping[str, str], body: Iterable[bytes] | bytes) -> Reply:
        """Raises `Unreachable`, `Misconfigured`, `Stopped`."""
        from lightspeed_collector.wire import Call

        self._check_files()
        call = Call(self._tls, self._timeout)
        finished = self._stop.run(lambda: call.post(url, headers, body), self._deadline, call.abort)
        if call.reply.status:
            return call.reply
        self._stop.check()
        if finished is None:
            raise Unreachable(f"no answer within {self._deadline:g} s (upload_deadline_seconds)")
        raise Unreachable(finished)

    def _check_files(self) -> None:
        for key, path in vars(self._tls).items():
            if path is not None and not path.exists():
                raise Misconfigured(f"{key}: {path}: no such file")

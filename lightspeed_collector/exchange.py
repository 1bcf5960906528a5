"""One HTTP exchange at a time, under one deadline that covers all of it, and ended by a signal within seconds.

It knows nothing of batches. What it reports of a failure names host and port, and no more of a URL. The network is in `wire`, which
is loaded when there is something to send.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lightspeed_collector.stop import Stop


class Unreachable(Exception):
    """No answer; whether the request arrived is not known. The message is for people."""


class Unusable(Exception):
    """No answer, nor will there be one as things are configured here or there. The message is for people."""


class Body(Protocol):
    """A body in pieces, and its length in bytes."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Tls:
    """What to trust, and who we are; None is the system's default and nobody."""

    ca_bundle: Path | None
    client_cert: Path | None
    client_key: Path | None


@dataclass
class Reply:
    """An answer; `body` is at most its first 64 KiB, as far as they came.

    `to_all_of_it`: it came after all of a `Body` but the last piece had reached the other end's kernel, and when it was here
    that had as well.
    """

    status: int = 0
    to_all_of_it: bool = False
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
        self._checked = False

    def post(self, url: str, headers: Mapping[str, str], body: Body | bytes, key: str = "ingress_server_url") -> Reply:
        """`key` is the one that gave `url`. Raises `Unreachable`, `Unusable`, `Misconfigured`, `Stopped`."""
        from lightspeed_collector import tlsfiles
        from lightspeed_collector.wire import Call

        if not self._checked:
            tlsfiles.check(vars(self._tls))
            self._checked = True
        call = Call(url, key, self._tls, self._timeout)
        failure = self._stop.run(lambda: call.post(headers, body), self._deadline, call.abort)
        if call.reply.status:
            return call.reply
        self._stop.check()
        if failure is None or call.aborted:
            raise Unreachable(f"{call.way}: no answer within {self._deadline:g} s (upload_deadline_seconds)")
        raise (Unusable if failure.lasting else Unreachable)(failure.text)

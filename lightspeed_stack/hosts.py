"""Which names a daemon answers to that asks nobody who they are: a page whose name is made to lead to loopback gets nothing.

Any web page can have its own name resolved to 127.0.0.1 (DNS rebinding) and is then, for the browser, of the same
origin as the API. Its name still stands in the Host header. Addresses there can't be forged so, and clients that send
no Host are no browsers. Where other machines reach the daemon or behind a Unix socket only configured names limit it.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Mapping

from lightspeed_stack.rules import is_loopback

ANY = "*"
_REMEMBERED = 256


class Hosts:
    """`allowed` names are the only ones everywhere, `own` ones are known too; without `allowed` only loopback is strict."""

    def __init__(self, allowed: Iterable[str], own: Iterable[str]) -> None:
        self._names = frozenset(map(_plain, (*allowed, *own)))
        self._is_strict = bool(tuple(allowed))
        self._decided = functools.lru_cache(_REMEMBERED)(self._decide)

    def answers_to(self, environ: Mapping[str, str]) -> bool:
        return self._decided(environ.get("HTTP_HOST", ""), environ.get("SERVER_NAME", ""))

    def _decide(self, host: str, listening_at: str) -> bool:
        name = _plain(_without_port(host))
        if not name or ANY in self._names or name in self._names:
            return True
        if not self._is_strict and not is_loopback(listening_at):
            return True
        return name == "localhost" or name.endswith(".localhost") or _is_address(name)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _plain(name: str) -> str:
    return name.strip().rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

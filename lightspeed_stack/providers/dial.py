"""From a base URL to a connected socket: names, TCP, a proxy of the environment, TLS, each under one deadline.

Certificates are always verified, against `ca_bundle` or else the system's. HTTP_PROXY, HTTPS_PROXY and NO_PROXY are
obeyed, but never for loopback. Looking up a name blocks as long as the system's resolver does; nothing else blocks.
"""

from __future__ import annotations

import base64
import errno
import os
import socket
import ssl
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from lightspeed_stack.providers.wait import READ, WRITE, TimedOut, Waiter

Dialing = Generator[bytes, None, socket.socket]
_LONGEST_PROXY_REPLY = 16384
_ADDRESSES_SECONDS = 30.0
_RETRY_SECONDS = 5.0


class Unreachable(Exception):
    """No connection; the text says why and holds no secret."""


@dataclass(frozen=True)
class Target:
    """Where a provider is; `query` goes behind every path."""

    tls: bool
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def resource(self, name: str) -> str:
        return f"{self.path}/{name}" + (f"?{self.query}" if self.query else "")


def parse(base_url: str) -> Target:
    """Raises ValueError for what is no http(s) URL."""
    url = urlsplit(base_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("not an http:// or https:// URL")
    tls = url.scheme == "https"
    return Target(tls, url.hostname, url.port or (443 if tls else 80), url.path.rstrip("/"), url.query)


class Dialer:
    """Makes connections to one target."""

    def __init__(
        self,
        target: Target,
        connect_seconds: float,
        ca_bundle: Path | None,
        addresses_seconds: float = _ADDRESSES_SECONDS,
    ) -> None:
        self.target = target
        self._seconds = connect_seconds
        self._tls = ssl.create_default_context(cafile=ca_bundle and str(ca_bundle)) if target.tls else None
        self._proxy = _proxy(target, os.environ)
        self._addresses: list[Any] = []
        self._addresses_seconds = addresses_seconds
        self._addresses_until = 0.0
        self._failure: OSError | None = None

    @property
    def proxy_headers(self) -> str | None:
        """What requests carry for a proxy that they name their whole URL to; None when there is no such proxy."""
        return _credentials(self._proxy) if self._proxy is not None and not self.target.tls else None

    def look_up(self) -> None:
        """Find the addresses, unless they are known since a moment, so that `dial` need not; a failure `dial` tells.

        Addresses of before serve while no newer can be had (as RFC 8767 has it); without any, each call tries again.
        """
        if time.monotonic() < self._addresses_until:
            return
        try:
            self._addresses = self._find_addresses()
            self._addresses_until = time.monotonic() + self._addresses_seconds
        except OSError as error:
            self._failure = error
            if self._addresses:
                self._addresses_until = time.monotonic() + _RETRY_SECONDS

    def dial(self, waiter: Waiter) -> Dialing:
        """Yield b"" for each second of waiting, return a non-blocking socket that `waiter` has adopted.

        Raises Unreachable, and what Waiter.ready raises, but TimedOut.
        """
        try:
            return (yield from self._dial(waiter, time.monotonic() + self._seconds))
        except TimedOut:
            raise Unreachable(f"{self.target.authority}: no connection within {self._seconds:g} s") from None
        except OSError as error:
            waiter.check()
            raise Unreachable(f"{self.target.authority}: {_reason(error)}") from None

    def _dial(self, waiter: Waiter, deadline: float) -> Dialing:
        sock = yield from self._connect(waiter, deadline)
        try:
            if self._tls is None:
                return sock
            if self._proxy is not None:
                yield from _tunnel(sock, self.target, self._proxy, waiter, deadline)
            waiter.drop()
            sock = self._tls.wrap_socket(sock, server_hostname=self.target.host, do_handshake_on_connect=False)
            waiter.adopt(sock)
            yield from _shake_hands(sock, waiter, deadline)
            return sock
        except BaseException:
            waiter.drop()
            sock.close()
            raise

    def _connect(self, waiter: Waiter, deadline: float) -> Dialing:
        if not self._addresses and self._failure is not None:
            raise self._failure.with_traceback(None)
        addresses = list(self._addresses or self._find_addresses())
        while True:
            family, kind, protocol, _, address = addresses.pop(0)
            share = (deadline - time.monotonic()) / (len(addresses) + 1)
            try:
                sock = socket.socket(family, kind, protocol)
                return (yield from _connect_to(sock, address, waiter, time.monotonic() + share))
            except (OSError, TimedOut):
                if not addresses:
                    raise

    def _find_addresses(self) -> list[Any]:
        host, port = self.target.host, self.target.port
        if self._proxy is not None:
            host, port = self._proxy.hostname or "", self._proxy.port or 80
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _connect_to(sock: socket.socket, address: object, waiter: Waiter, deadline: float) -> Dialing:
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        status = sock.connect_ex(address)  # type: ignore[arg-type]  # whatever getaddrinfo gave
        waiter.adopt(sock)
        if status == errno.EINPROGRESS:
            yield from waiter.until_ready(WRITE, deadline)
            status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status:
            raise OSError(status, os.strerror(status))
        waiter.expect(READ)
        return sock
    except BaseException:
        waiter.drop()
        sock.close()
        raise


def _shake_hands(sock: ssl.SSLSocket, waiter: Waiter, deadline: float) -> Generator[bytes, None, None]:
    while True:
        try:
            sock.do_handshake()
            waiter.expect(READ)
            return
        except ssl.SSLWantReadError:
            yield from waiter.until_ready(READ, deadline)
        except ssl.SSLWantWriteError:
            yield from waiter.until_ready(WRITE, deadline)


def _tunnel(
    sock: socket.socket, target: Target, proxy: SplitResult, waiter: Waiter, deadline: float
) -> Generator[bytes, None, None]:
    """RFC 9110, 9.3.6: CONNECT."""
    host = f"{target.host}:{target.port}"
    sock.send(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{_credentials(proxy)}\r\n".encode())
    reply = b""
    while b"\r\n\r\n" not in reply:
        yield from waiter.until_ready(READ, deadline)
        data = sock.recv(1)
        reply += data
        if not data or len(reply) > _LONGEST_PROXY_REPLY:
            raise OSError("the proxy gave no proper answer")
    status = reply.split(b"\r\n", 1)[0].split(b" ")[1:2]
    if status != [b"200"]:
        raise OSError(f"the proxy answered {status[0].decode('latin-1') if status else 'nonsense'}")


def _credentials(proxy: SplitResult) -> str:
    if not proxy.username:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"


def _proxy(target: Target, environ: Mapping[str, str]) -> SplitResult | None:
    if target.host in ("localhost", "127.0.0.1", "::1") or not any(name.lower().endswith("_proxy") for name in environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # slow to load, seldom needed

    url = getproxies().get("https" if target.tls else "http")
    if not url or proxy_bypass(target.host):
        return None
    return urlsplit(url if "://" in url else f"http://{url}")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return error.strerror or str(error)

"""What a failed connection means: a line for people, and whether it can heal by itself. No I/O, no secret in the line."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

_OTHER_NAME = (62, 63, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, ..._EMAIL_..., ..._IP_ADDRESS_... of OpenSSL
_OUT_OF_DATE = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, ..._HAS_EXPIRED
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_NOT_OURS = (
    "HANDSHAKE_FAILURE",
    "NO_CERTIFICATE",
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_REQUIRED",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
)
_TOO_OLD = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "INSUFFICIENT_SECURITY", "UNSAFE_LEGACY_RENEGOTIATION_DISABLED")
_ALERT = re.compile(r"(SSLV3|TLSV1|TLSV13)_(ALERT_)?")
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_PORTS = {"http": 80, "https": 443}


class Diagnosis(NamedTuple):
    """`lasting`: it stays so until somebody changes the configuration, the ingress or the proxy."""

    text: str
    lasting: bool = False


class Way(NamedTuple):
    """Where a request goes: to the ingress or the OAuth2 server that `key` names, through `proxy` if there is one."""

    url: str
    key: str
    proxy: str | None = None

    def __str__(self) -> str:
        """Host and port: a URL may have a secret in it."""
        through = f" through the proxy {place(self.proxy)}" if self.proxy else ""
        return place(self.url) + through


def place(url: str) -> str:
    """`HOST:PORT`, never a user name or a password, nor what may be a piece of one."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if "@" in f"{parts.path}{parts.query}{parts.fragment}":  # the host would end within the password
            return "an address that isn't shown (escape the / ? # of its password, or the @ of its path, with %)"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or _PORTS.get(parts.scheme, '?')}"
    except ValueError:
        return "an address that is none"


def diagnose(error: BaseException, way: Way, timeout: float, *, connected: bool) -> Diagnosis:
    """Of the innermost cause that says something; `connected` tells whether TLS had been agreed upon."""
    causes = list(_causes(error))
    key, where = way.key, str(way)
    if way.proxy and any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        key, where = "HTTPS_PROXY", f"the proxy {place(way.proxy)}"
    for cause in reversed(causes):
        found = _tls(cause, key, connected) if isinstance(cause, ssl.SSLError) else _plain(cause, timeout)
        if found:
            return found._replace(text=f"{where}: {found.text}")
    return Diagnosis(f"{where}: the connection broke off ({type(causes[-1]).__name__})")


def _plain(cause: BaseException, timeout: float) -> Diagnosis | None:
    if isinstance(cause, socket.gaierror):
        return Diagnosis("the host's name can't be resolved")
    if isinstance(cause, TimeoutError | requests.Timeout):
        what = "no connection" if isinstance(cause, requests.ConnectTimeout) else "silence"
        return Diagnosis(f"{what} for {timeout:g} s (connection_timeout_seconds)")
    if tunnel := _TUNNEL.match(str(cause)):
        wanted = tunnel[1] == "407"
        hint = "it wants credentials; see HTTPS_PROXY" if wanted else "see HTTPS_PROXY, NO_PROXY"
        return Diagnosis(f"it answered {tunnel[1]} ({hint})", lasting=wanted)
    return Diagnosis(cause.strerror.lower()) if isinstance(cause, OSError) and cause.strerror else None


def _tls(cause: ssl.SSLError, key: str, connected: bool) -> Diagnosis | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Diagnosis(f"TLS: {cause.verify_message.rstrip('.')} ({_distrust(cause, key)})", lasting=True)
    reason = cause.reason or ""
    told = f"TLS: {_ALERT.sub('', reason).replace('_', ' ').lower()}"
    alert = _ALERT.sub("", reason)
    if reason in _NO_TLS and not connected:
        return Diagnosis(f"no TLS is spoken there, http perhaps: see {key}", lasting=True)
    if _ALERT.match(reason) and alert in _NOT_OURS:
        return Diagnosis(f"{told}: it wants a client certificate, or another one (see client_cert)", lasting=True)
    if alert in ("UNRECOGNIZED_NAME", *_TOO_OLD):
        return Diagnosis(f"{told} (see {key})", lasting=True)
    return Diagnosis(told) if reason else None


def _distrust(cause: ssl.SSLCertVerificationError, key: str) -> str:
    if cause.verify_code in _OTHER_NAME:
        return f"see {key}"
    if cause.verify_code in _OUT_OF_DATE:
        return "the server's to renew; or this machine's clock is wrong"
    return "see ca_bundle"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made of, outermost first."""
    seen: list[BaseException] = []
    waiting: list[BaseException] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause not in seen:
            seen.append(cause)
            yield cause
            inner = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
            waiting += [part for part in inner if isinstance(part, BaseException)]

"""Where and how a daemon serves, and whether it can: asked before anything that runs is touched."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lightspeed_stack.daemon.config import ConfigError, Fault
from lightspeed_stack.daemon.credentials import CredentialError

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_TAKEN = {
    errno.EADDRINUSE: "something listens at {} already",
    errno.EADDRNOTAVAIL: "{} is no address of this host",
}


@dataclass(frozen=True)
class Listen:
    """Where and how to serve; times in seconds."""

    host: str
    port: int
    workers: int
    threads: int
    read_timeout_seconds: int = 30
    write_timeout_seconds: int = 60
    graceful_timeout_seconds: int = 30
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_key_password: Callable[[], str] | None = None
    unix_socket: Path | None = None
    worker_directory: Path | None = None
    pin_workers: bool = False
    max_header_bytes: int = 8190

    @property
    def bind(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix:{self.unix_socket}" if self.unix_socket else f"{host}:{self.port}"


def check(listen: Listen, serving: Listen | None = None) -> None:
    """Raises `ConfigError` for a certificate and key that are none, and for another address than that of `serving` when
    it can't be had."""
    try:
        if listen.tls_certificate:
            tls_context(listen)
    except (OSError, CredentialError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(Fault("", "service.tls_config", reason or "not a certificate and its key")) from error
    if serving and listen.bind != serving.bind and (reason := hindrance(listen)):
        raise ConfigError(Fault("", "service.port", reason))


def inherits(environ: Mapping[str, str]) -> bool:
    """Whether systemd hands sockets over (sd_listen_fds(3)); those are served whatever is configured."""
    return environ.get("LISTEN_PID") == str(os.getpid()) and environ.get("LISTEN_FDS", "0") != "0"


def inherited(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts of the sockets that systemd hands over."""
    if not inherits(environ):
        return ()
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(environ["LISTEN_FDS"]))
    return tuple(host for host in map(_host, descriptors) if host)


def _host(descriptor: int) -> str | None:
    with closing(socket.socket(fileno=os.dup(descriptor))) as handed:
        if handed.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        host: str = handed.getsockname()[0]
        return host


def tls_context(listen: Listen) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(listen.tls_certificate), str(listen.tls_key), listen.tls_key_password)
    return context


def hindrance(listen: Listen) -> str | None:
    """Why nothing can listen there, or None. gunicorn would try for five seconds."""
    if listen.unix_socket:
        return None
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        with closing(socket.socket(family)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((listen.host, listen.port))
    except OSError as error:
        return _TAKEN.get(error.errno or 0, "listening at {} fails: {}").format(listen.bind, error.strerror)
    except (TypeError, UnicodeError):
        return f"{listen.bind!a} is no address"
    return None

"""Whether the files named for TLS are what they should be; no more of them is told than that."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from lightspeed_collector.errors import Misconfigured

_KEY_VALUES_MISMATCH = "KEY_VALUES_MISMATCH"


def check(files: Mapping[str, Path | None]) -> None:
    """`files` by key: ca_bundle, client_cert, client_key; raises `Misconfigured` that begins with the key."""
    for key, path in files.items():
        if path and (fault := unreadable(path)):
            raise Misconfigured(f"{key}: {path}: {fault.strerror}") from fault
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if (bundle := files.get("ca_bundle")) and not bundle.is_dir():
        _authorities(context, bundle)
    if cert := files.get("client_cert"):
        _ourselves(context, cert, files.get("client_key"))


def unreadable(path: Path) -> OSError | None:
    """Why a file can't be opened, or a folder listed."""
    try:
        if path.is_dir():
            os.scandir(path).close()
        else:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError as error:
        return error
    return None


def _authorities(context: ssl.SSLContext, bundle: Path) -> None:
    try:
        context.load_verify_locations(bundle)
    except OSError as error:
        raise Misconfigured(f"ca_bundle: {bundle}: no certificates in PEM are in it") from error


def _ourselves(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(cert, key, lambda: "")  # without a password OpenSSL would ask the terminal for it
    except ssl.SSLError as error:
        if error.reason == _KEY_VALUES_MISMATCH:
            raise Misconfigured(f"client_key: {key or cert}: is not the key of {cert}") from error
        needed = "" if key else ", or no key is beside it (client_key)"
        text = f"no certificate in PEM{needed}, or the key has a password"
        raise Misconfigured(f"client_cert: {cert}: {text}") from error
    except OSError as error:
        raise Misconfigured(f"client_cert: {cert}: {error.strerror}") from error

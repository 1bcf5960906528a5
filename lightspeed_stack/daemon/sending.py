"""Sending to a client who may take nothing, for no longer than its socket's SO_SNDTIMEO.

On a blocking TLS socket Python begins anew each time that passes, and so waits for ever.
"""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress


def limit(sock: socket.socket) -> float | None:
    """For how many seconds the client may take nothing; None when there is no limit."""
    seconds, _ = struct.unpack("@ll", sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16))
    return float(seconds) or None


def send(sock: socket.socket, data: bytes) -> None:
    """All of it; raises OSError, TimeoutError when the client takes nothing."""
    if not isinstance(sock, ssl.SSLSocket) or sock.gettimeout() is not None:
        sock.sendall(data)
        return
    sock.settimeout(limit(sock))
    try:
        sock.sendall(data)
    finally:
        with suppress(OSError):  # it is closed
            sock.settimeout(None)


class Sender:
    """What gunicorn's answers need of a TLS socket."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock

    def sendall(self, data: bytes) -> None:
        send(self._sock, data)

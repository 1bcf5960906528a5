"""What the kernel knows of a connection (tcp(7)): how much of what was written the other end has, how much came from there."""

from __future__ import annotations

import fcntl
import select
import socket
import sys
import termios
import time

_INFO_BYTES = 136
_RECEIVED = slice(128, 136)  # tcpi_bytes_received (linux/tcp.h)
_PAUSES_SECONDS = (0.0005, 0.01)
_PATIENCE_SECONDS = 1.0


def unacknowledged(connected: socket.socket) -> int:
    """Bytes that were written and are not known to have reached the other end's kernel."""
    return _number(fcntl.ioctl(connected, termios.TIOCOUTQ, bytes(4)))


def received(connected: socket.socket) -> int:
    """Bytes that came so far, read or not; 0 where the kernel doesn't tell (some sandboxes have one of their own)."""
    try:
        return _number(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)[_RECEIVED])
    except OSError:
        return 0


def drain(connected: socket.socket, timeout: float) -> None:
    """Wait until the other end's kernel has all that was written, or has hung up, or has taken nothing for `timeout` seconds,
    for one when it has sent something meanwhile: an answer, perhaps.

    Nothing tells when an acknowledgement comes, so it is looked for.
    """
    before, left, since = received(connected), unacknowledged(connected), time.monotonic()
    hung_up = select.poll()
    hung_up.register(connected, 0)
    pause, longest = _PAUSES_SECONDS
    while left and not hung_up.poll(pause * 1000):
        pause = min(2 * pause, longest)
        last, left = left, unacknowledged(connected)
        if left < last:
            since = time.monotonic()
        elif time.monotonic() - since >= (
            timeout if received(connected) == before else min(timeout, _PATIENCE_SECONDS)
        ):
            return


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, sys.byteorder)

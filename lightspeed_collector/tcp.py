"""What the kernel knows of a connection (tcp(7)): how much of what was written the other end has, how much came from there."""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
import time

_INFO_BYTES = 136
_RECEIVED = slice(128, 136)  # tcpi_bytes_received (linux/tcp.h)
_CAN_SEND = (1, 8)  # TCP_ESTABLISHED, TCP_CLOSE_WAIT
_FIRST_PAUSE_SECONDS = 0.0005
_LONGEST_PAUSE_SECONDS = 0.05


def unacknowledged(connected: socket.socket) -> int:
    """Bytes that were written and are not known to have reached the other end's kernel."""
    return _number(fcntl.ioctl(connected, termios.TIOCOUTQ, bytes(4)))


def received(connected: socket.socket) -> int:
    """Bytes that came so far, read or not; 0 where the kernel doesn't tell (some sandboxes have one of their own)."""
    return _number(_info(connected)[_RECEIVED])


def settle(connected: socket.socket, timeout: float) -> None:
    """Wait until the other end's kernel has all that was written, is gone, or has taken nothing for `timeout` seconds.

    Nothing tells when an acknowledgement comes, so it is looked for.
    """
    left, pause, until = unacknowledged(connected), _FIRST_PAUSE_SECONDS, time.monotonic() + timeout
    while left and _can_send(connected) and time.monotonic() < until:
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        before, left = left, unacknowledged(connected)
        if left < before:
            until = time.monotonic() + timeout


def _can_send(connected: socket.socket) -> bool:
    state = _info(connected)[:1]
    return not state or state[0] in _CAN_SEND


def _info(connected: socket.socket) -> bytes:
    try:
        return connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return b""


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, sys.byteorder)

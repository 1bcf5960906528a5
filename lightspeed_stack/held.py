"""send(2), recv(2) and write(2) that never wait, on plain sockets and an eventfd, and so keep the interpreter's lock.

Python's own give the lock up around each call. A thread that makes thousands of them a second beside threads that
compute then waits up to sys.getswitchinterval() to get it back, twice for each token: with 1,000 streams that made
seconds of delay (bench/streams.py).
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import threading

_ROOM = 16384
_DONT_WAIT = int(socket.MSG_DONTWAIT)
_SEND_FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_ONE = (1).to_bytes(8, sys.byteorder)

_libc = ctypes.PyDLL(None, use_errno=True)
_libc.send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_libc.recv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_libc.send.restype = _libc.recv.restype = _libc.write.restype = ctypes.c_ssize_t


class _Room(threading.local):
    """One for each thread: the lock may go to another between a call and the copying of what it brought."""

    def __init__(self) -> None:
        self.received = (ctypes.c_char * _ROOM)()
        self.bytes = memoryview(self.received).cast("B")


_room = _Room()


def send(sock: socket.socket, data: bytes) -> int:
    """How many bytes went out; raises OSError as socket.send does, BlockingIOError when there is no room."""
    sent: int = _libc.send(sock.fileno(), data, len(data), _SEND_FLAGS)
    return sent if sent >= 0 else _fail()


def receive(sock: socket.socket) -> bytes:
    """At most 16 KiB, b"" at the end; raises OSError as socket.recv does, BlockingIOError when there is nothing."""
    count: int = _libc.recv(sock.fileno(), _room.received, _ROOM, _DONT_WAIT)
    return bytes(_room.bytes[: count if count >= 0 else _fail()])


def ring(bell: int) -> None:
    """Add one to the eventfd; raises OSError."""
    if _libc.write(bell, _ONE, len(_ONE)) < 0:
        _fail()


def _fail() -> int:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))

"""gunicorn's threaded worker with two faults mended, and its logger led into ours.

gunicorn waits for a closing connection's peer in the worker's only accepting thread, so that a few stalled clients
stop everybody; here the thread that served the connection waits. A client that stops half-way is one quiet line
instead of a traceback.
"""

from __future__ import annotations

import logging
import socket
import sys
import time
from contextlib import suppress
from typing import Any

from gunicorn import glogging
from gunicorn.workers.gthread import ThreadWorker

log = logging.getLogger(__name__)

LINGER_SECONDS = 2.0
LINGER_SILENCE_SECONDS = 0.5


class Worker(ThreadWorker):
    def handle(self, conn: Any) -> Any:
        keep = super().handle(conn)
        if not keep:
            linger(conn.sock)
            conn.close = _closed
        return keep


def linger(connection: socket.socket) -> None:
    """Close so that the peer gets all that was sent, even while it is sending itself (RFC 9112, section 9.6)."""
    end = time.monotonic() + LINGER_SECONDS
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(LINGER_SILENCE_SECONDS)
        while time.monotonic() < end and connection.recv(65536):
            pass
    connection.close()


def _closed(graceful: bool = False) -> None:
    """What is left to close of a connection that `linger` has closed."""


class Logger(glogging.Logger):
    """gunicorn's words go where ours go; its access log is not used."""

    def setup(self, cfg: Any) -> None:
        self.error_log.propagate = True
        self.error_log.handlers[:] = []
        self.error_log.setLevel(logging.WARNING)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if isinstance(sys.exc_info()[1], BlockingIOError):
            log.info("a client paused for too long and was disconnected")
        else:
            super().exception(msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        pass

    def reopen_files(self) -> None:
        pass

    def close_on_exec(self) -> None:
        pass

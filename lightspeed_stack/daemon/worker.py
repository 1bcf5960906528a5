"""gunicorn's threaded worker with four faults mended and one detour less, and its logger led into ours.

gunicorn waits for a closing connection's peer in the worker's only accepting thread, so that a few stalled clients
stop everybody; here the thread that served the connection waits. gunicorn lets each that connects and says nothing hold
a thread; here it holds none, and the oldest of too many such is disconnected. gunicorn lets a client take for ever over its
request; here it has its time (arrival.py), and one that is too slow is one quiet line instead of a traceback. A client
that asks again at once is served by the same thread, as long as there are others. When a worker that stops has waited
long enough for its requests, the application may end them well (`cut_short`) before the arbiter kills it.
"""

from __future__ import annotations

import errno
import logging
import resource
import select
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn import glogging
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from lightspeed_stack.daemon import processors, refusal, response
from lightspeed_stack.daemon.arrival import NEAR_MILLISECONDS, Connection, TooSlow
from lightspeed_stack.daemon.pool import Pool

log = logging.getLogger(__name__)

KEPT_CONNECTIONS = 128
SILENT_CONNECTIONS = 256
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
PAUSE_SECONDS = 0.01
ROOM = 8
SPARE_DESCRIPTORS = 64
END_SECONDS = 5
CUT_SECONDS = 2.0
STOPPING = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)  # blocked from the fork until the worker can take them


class Worker(ThreadWorker):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.max_keepalived = KEPT_CONNECTIONS
        self.processor: int | None = None
        self.cut_short: Callable[[], None] = lambda: None
        self._served: set[Connection] = set()
        self._is_ending = False
        self._crowded = sys.maxsize

    def init_process(self) -> None:
        if self.processor is not None:
            processors.keep_to(self.processor)
        config: Any = self.cfg  # as attributes of its own, settings are found without a call
        config.__dict__.update({name: setting.get() for name, setting in config.settings.items()})
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most != resource.RLIM_INFINITY:
            self._crowded = most - min(SPARE_DESCRIPTORS, most // 4)
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def get_thread_pool(self) -> Pool:
        return Pool(max_workers=self.cfg.threads)

    @property
    def worker_connections(self) -> int:
        """Up to how many connections more are accepted: idle ones take no thread."""
        return int(self.cfg.threads) + 1 + self._idle

    @worker_connections.setter
    def worker_connections(self, configured: int) -> None:
        """gunicorn sets what it read from its configuration."""

    @property
    def _idle(self) -> int:
        return len(self.keepalived_conns) + len(self.pending_conns)

    def accept(self, listener: Any) -> None:
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in OUT_OF_DESCRIPTORS:
                raise
            if not self._make_room():
                time.sleep(PAUSE_SECONDS)
            return
        self.nr_conns += 1
        if len(self.pending_conns) >= SILENT_CONNECTIONS:
            self._drop(self.pending_conns.popleft())
        if client.fileno() >= self._crowded:  # the lowest that was free
            self._make_room()
        conn = Connection(self.cfg, client, address, listener.getsockname())
        if conn.begins():
            self.enqueue_req(conn)
        else:
            self._await_first_byte(conn)

    def _make_room(self) -> bool:
        """Who asks nothing goes before who is being answered, and so many that answering has descriptors, too."""
        idle = self._idle
        for _ in range(min(idle, ROOM)):
            self._drop((self.pending_conns or self.keepalived_conns).popleft())
        return idle > 0

    def _await_first_byte(self, conn: Connection) -> None:
        """Who connects and says nothing takes no thread."""
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        if conn in self.pending_conns:  # it may have been dropped since it was found readable
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        if conn in self.keepalived_conns:
            super().on_client_socket_readable(conn, client)

    def _drop(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """Called once when the worker stops: silent clients, too, are waited for no longer than that."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not self.alive and not self._is_ending:
            self._is_ending = True
            _start(self._end)

    def handle_quit(self, sig: Any, frame: Any) -> None:
        _start(self.cut_short)
        super().handle_quit(sig, frame)

    def _end(self) -> None:
        """gunicorn's time to stop is ours and `END_SECONDS`: in these, what still goes on is to end."""
        time.sleep(self.cfg.graceful_timeout - END_SECONDS)
        self.cut_short()
        time.sleep(CUT_SECONDS)
        for conn in list(self._served):  # whose client takes nothing
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)

    def handle(self, conn: Any) -> Any:
        self._served.add(conn)
        keep = super().handle(conn)
        while keep is True and self._asks_again(conn.sock):
            keep = super().handle(conn)
        self._served.discard(conn)
        if conn.is_silent:
            conn.is_silent = False
            return _DEFER
        if not keep:
            if conn.arrival is not None and conn.arrival.is_late:
                refusal.too_slow(conn)
            refusal.linger(conn.sock)
            conn.close = _closed
        return keep

    def handle_request(self, req: Any, conn: Any) -> Any:
        conn.arrival.begin_body(req.force_close)
        if req._expected_100_continue:  # gunicorn would say so to whose body nobody reads
            req._expected_100_continue, conn.arrival.invites = False, True
        answer, environ = response.create(req, conn, self.cfg)
        if not self.alive or conn.arrival.invites or len(self.keepalived_conns) >= self.max_keepalived:
            answer.force_close()
        try:
            response.run(self.wsgi, environ, answer)
        except Exception as error:
            if isinstance(error, OSError) or not answer.headers_sent:
                raise
            self.log.exception("Error handling request")
            raise StopIteration from None  # the connection is closed: nothing else can be told any more
        conn.arrival.is_late = False  # the application has told the client itself
        return not answer.should_close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        refusal.unreadable(client, addr, exc)

    def _asks_again(self, connection: socket.socket) -> bool:
        """Handing a connection back to the accepting thread and getting it again costs more than a small request."""
        if not self.alive or 2 * (self.nr_conns - self._idle) > self.cfg.threads:
            return False
        near = select.poll()
        near.register(connection, select.POLLIN)
        return bool(near.poll(NEAR_MILLISECONDS))


def _start(end: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # without a thread for it, requests in flight still have their time
        threading.Thread(target=end, name="end", daemon=True).start()


def _closed(graceful: bool = False) -> None:
    """What is left to close of a connection that `refusal.linger` has closed."""


class Logger(glogging.Logger):
    """gunicorn's words go where ours go; its access log is not used."""

    def setup(self, cfg: Any) -> None:
        self.error_log.propagate = True
        self.error_log.handlers[:] = []
        self.error_log.setLevel(logging.WARNING)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, BlockingIOError | TimeoutError) and not isinstance(error, TooSlow):
            log.info("a client paused for too long and was disconnected")
        elif not isinstance(error, TooSlow):  # `refusal.too_slow` tells of it
            super().exception(msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        pass

    def reopen_files(self) -> None:
        pass

    def close_on_exec(self) -> None:
        pass

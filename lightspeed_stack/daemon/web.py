"""gunicorn, embedded: threads, time limits on sockets, and systemd told the truth.

The arbiter reads the configuration (`load`), each worker makes its own application after the fork (`make_app`),
so a reload serves the new configuration without a request refused, and a bad one leaves the old running. READY is
sent when every worker serves, the watchdog is pinged only while a worker lives. Nothing here knows a route.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from lightspeed_stack.daemon import events, exits, processors
from lightspeed_stack.daemon.config import ConfigError, Fault
from lightspeed_stack.daemon.listen import Listen, hindrance, inherits, tls_context
from lightspeed_stack.daemon.notify import Notifier
from lightspeed_stack.daemon.worker import END_SECONDS, STOPPING, Logger, Worker

log = logging.getLogger(__name__)

WSGIApplication = Callable[..., Any]
HEARTBEAT_SECONDS = 60
KEEP_ALIVE_SECONDS = 15
STOP_MARGIN_SECONDS = 15
BACKLOG = 2048
CANT_LISTEN = 1  # gunicorn's status
GARBAGE_THRESHOLD = 20_000
MEMORY_DIRECTORY = "/dev/shm"  # noqa: S108 - for gunicorn's unlinked heartbeat files, made by mkstemp


def serve(
    load: Callable[[], Listen],
    make_app: Callable[[], WSGIApplication],
    notifier: Notifier,
    *,
    worker_exited: Callable[[int], None] = lambda pid: None,
    stopping: Callable[[], None] = lambda: None,
    cut_short: Callable[[], None] = lambda: None,
) -> int:
    """Serve until SIGTERM; returns an exit status. `load` raises `ConfigError` when the configuration is bad.

    `stopping` is called when it begins to stop: it takes no more requests and finishes those in flight.
    `cut_short` is called in a worker whose requests in flight have had their time; what ends soon then still ends well.
    """
    application = _Application(load, make_app, worker_exited, cut_short)
    if not inherits(os.environ) and (reason := hindrance(application.listen)):
        log.error("can't start: %s", reason)
        return exits.UNAVAILABLE
    _allow_descriptors()
    try:
        _Arbiter(application, notifier, stopping).run()
    except SystemExit as end:
        return exits.UNAVAILABLE if end.code == CANT_LISTEN else int(end.code or 0)
    return 0


class _Application(BaseApplication):
    def __init__(
        self,
        load: Callable[[], Listen],
        make_app: Callable[[], WSGIApplication],
        worker_exited: Callable[[int], None],
        cut_short: Callable[[], None],
    ) -> None:
        self._load = load
        self._make_app = make_app
        self._worker_exited = worker_exited
        self._cut_short = cut_short
        self.listen = load()
        super().__init__()

    def reread(self) -> None:
        self.listen = self._load()

    def load_config(self) -> None:
        for key, value in _settings(self.listen).items():
            self.cfg.set(key, value)
        self.cfg.set("pre_fork", self._before_fork)
        self.cfg.set("child_exit", lambda server, worker: self._worker_exited(worker.pid))

    def _before_fork(self, arbiter: Any, worker: Worker) -> None:
        worker.cut_short = self._cut_short
        if self.listen.pin_workers:
            worker.processor = processors.least_used(other.processor for other in arbiter.WORKERS.values())

    def load(self) -> WSGIApplication:
        return self._make_app()


def _settings(listen: Listen) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "bind": listen.bind,
        "workers": listen.workers,
        "threads": listen.threads,
        "worker_class": Worker,
        "worker_connections": listen.threads + 1,
        "timeout": HEARTBEAT_SECONDS,
        "graceful_timeout": listen.graceful_timeout_seconds + END_SECONDS,
        "keepalive": KEEP_ALIVE_SECONDS,
        "backlog": BACKLOG,
        "limit_request_field_size": listen.max_header_bytes,
        "control_socket_disable": True,
        "forwarder_headers": "",
        "logger_class": Logger,
        "when_ready": lambda server: _limit_sockets(server.LISTENERS, listen),
        "on_reload": lambda server: _limit_sockets(server.LISTENERS, listen),
        "post_worker_init": _announce,
        "worker_tmp_dir": str(listen.worker_directory or MEMORY_DIRECTORY),
    }
    if listen.tls_certificate:
        settings |= {"certfile": str(listen.tls_certificate), "keyfile": str(listen.tls_key)}
        settings["ssl_context"] = lambda conf, default: tls_context(listen)
    return settings


def settle() -> None:
    """Leave what is there to stay out of garbage collections, and have fewer of them: requests make few cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


def _allow_descriptors() -> None:
    """As many as this process may give itself: a stream takes two, and shells and containers begin with 1,024."""
    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _announce(worker: Any) -> None:
    """Beat for the first time and wake the arbiter, which looks at the beats whenever it wakes."""
    settle()
    worker.notify()
    os.kill(worker.ppid, signal.SIGCHLD)


def _limit_sockets(listeners: list[Any], listen: Listen) -> None:
    """Accepted sockets inherit these: a client that stops half-way frees its thread."""
    for listener in listeners:
        for option, seconds in (
            (socket.SO_RCVTIMEO, listen.read_timeout_seconds),
            (socket.SO_SNDTIMEO, listen.write_timeout_seconds),
        ):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", seconds, 0))


class _Arbiter(Arbiter):
    """gunicorn's arbiter, which also keeps systemd informed."""

    def __init__(self, application: _Application, notifier: Notifier, stopping: Callable[[], None]) -> None:
        self._notifier = notifier
        self._stopping = stopping
        self._status = ""
        self._is_ready = False
        self._pinged = 0.0
        super().__init__(application)

    def start(self) -> None:
        super().start()
        gc.collect()
        gc.freeze()  # so that the collector in the workers leaves the pages shared with the arbiter alone
        log.info("listening at %s", self._addresses)

    @property
    def _addresses(self) -> str:
        return ", ".join(str(listener) for listener in self.LISTENERS)

    def spawn_worker(self) -> Any:
        """A worker that is told to stop before it can take signals stops as soon as it can."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        self._tell()
        signals: list[int] = super().wait_for_signals(timeout)
        return signals

    def reap_workers(self) -> None:
        super().reap_workers()
        self._tell()

    def reload(self) -> None:
        self._notifier.reloading()
        try:
            self.app.reread()
        except ConfigError as error:
            _refuse(error)
        except Exception as error:
            log.error("an unforeseen fault", exc_info=error)
            _refuse(ConfigError(Fault("", "", type(error).__name__)))
        else:
            super().reload()
            log.info("configuration reloaded", extra=events.fields(events.CONFIGURATION_RELOADED))
        self._notifier.ready(self._status)

    def stop(self, graceful: bool = True) -> None:
        self._notifier.stopping("Stopping: finishing the requests in flight")
        self._notifier.extend_timeout(self.cfg.graceful_timeout + STOP_MARGIN_SECONDS)
        self._stopping()
        super().stop(graceful)

    def _tell(self) -> None:
        now = time.monotonic()
        alive = sum(1 for worker in self.WORKERS.values() if _serves(worker, now))
        status = f"Serving at {self._addresses}, {alive} of {self.num_workers} workers"
        if not self._is_ready and alive >= self.num_workers:
            self._is_ready = True
            self._notifier.ready(status)
            log.info("ready: %s", status, extra=events.fields(events.READY, workers=alive))
        elif self._is_ready and status != self._status:
            self._notifier.status(status)
        self._status = status
        pause = self._notifier.watchdog_seconds
        if pause and self._is_ready and alive and now - self._pinged > pause / 4:
            self._pinged = now
            self._notifier.watchdog()


def _refuse(error: ConfigError) -> None:
    for fault in error.faults:
        log.error("reload refused: %s", fault, extra=events.fields(events.RELOAD_REFUSED, file=fault.file))
    log.error("the running configuration is kept")


def _serves(worker: Any, now: float) -> bool:
    """Whether the worker has made its application and beats still.

    A beat sets the heartbeat file's time to the monotonic clock; before the first one it is the wall clock's.
    """
    try:
        silence = now - worker.tmp.last_update()
    except (OSError, ValueError):
        return False
    return bool(0 <= silence + 0.01 < HEARTBEAT_SECONDS)

"""What surrounds every request, outside Flask: its id, its place in the queue, its log line, its metrics.

A request takes one of the worker's slots and keeps it until its answer is sent to the end; when none is free it waits
a moment, and when too many wait it is told to come again. Probes and interrupts need no slot, so they are
answered while streams hold every thread. No text of a question or an answer is ever logged here.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from lightspeed_stack import errors

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from lightspeed_stack.cors import Cors
    from lightspeed_stack.hosts import Hosts

NOTE = "lightspeed.note"
MISDIRECTED = "This service does not answer to the name in the Host header; service.allowed_hosts can add it."
UNQUEUED = frozenset({"/liveness", "/readiness", "/v1/streaming_query/interrupt", "/streaming_query/interrupt"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:@+/=-]{1,128}")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Note:
    """What is known about a request when its log line is written; filled in on its way."""

    request_id: str
    started: float
    route: str | None = None
    user: str | None = None
    outcome: str | None = None
    conversation: str | None = None
    status: int = 0


class Counted(Protocol):
    def request_began(self) -> None: ...

    def request_ended(self) -> None: ...

    def request(self, path: str, status: int, seconds: float) -> None: ...


class Slots:
    """A worker's places: `count` requests at work, `waiting` more for at most `patience` seconds."""

    def __init__(self, count: int, waiting: int, patience: float) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._queue = threading.BoundedSemaphore(waiting) if waiting else None
        self._patience = patience

    def take(self) -> bool:
        return self._free.acquire(blocking=False) or self._wait()

    def give_back(self) -> None:
        self._free.release()

    def _wait(self) -> bool:
        if self._queue is None or not self._queue.acquire(blocking=False):
            return False
        try:
            return self._free.acquire(timeout=self._patience)
        finally:
            self._queue.release()


class Front:
    def __init__(
        self,
        application: WSGIApplication,
        slots: Slots,
        cors: Cors,
        metrics: Counted,
        *,
        hosts: Hosts | None = None,
        root_path: str = "",
        access_log: bool = True,
    ) -> None:
        self._application = application
        self._slots = slots
        self._cors = cors
        self._metrics = metrics
        self._hosts = hosts
        self._root_path = root_path
        self._access_log = access_log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self._strip_root(environ)
        note = environ[NOTE] = Note(_request_id(environ), time.perf_counter())
        self._metrics.request_began()
        start = self._starting(note, environ, start_response)
        if self._hosts is not None and not self._hosts.answers_to(environ):
            return self._refuse(environ, start, note, errors.Plain(421, MISDIRECTED), "misdirected")
        preflight = self._cors.preflight(environ)
        if preflight is not None:
            start(preflight.status, list(preflight.headers))
            return _Body([preflight.body], lambda: self._end(environ, note))
        if environ.get("PATH_INFO") in UNQUEUED:
            return self._run(environ, start, lambda: self._end(environ, note))
        if not self._slots.take():
            return self._refuse(environ, start, note, errors.Busy(), "busy")
        return self._run(environ, start, lambda: self._leave(environ, note))

    def _strip_root(self, environ: WSGIEnvironment) -> None:
        path = environ.get("PATH_INFO", "")
        if self._root_path and path.startswith(self._root_path + "/"):
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + self._root_path
            environ["PATH_INFO"] = path[len(self._root_path) :]

    def _starting(self, note: Note, environ: WSGIEnvironment, start_response: StartResponse) -> StartResponse:
        added = [("x-request-id", note.request_id), *self._cors.headers(environ)]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            note.status = int(status[:3])
            return start_response(status, [*headers, *added], exc_info)

        return start

    def _run(self, environ: WSGIEnvironment, start: StartResponse, done: Callable[[], None]) -> Iterable[bytes]:
        try:
            return _Body(self._application(environ, start), done)
        except BaseException:
            done()
            raise

    def _refuse(
        self, environ: WSGIEnvironment, start: StartResponse, note: Note, error: errors.Error, outcome: str
    ) -> Iterable[bytes]:
        body = json.dumps(error.body(), separators=(",", ":")).encode()
        length = str(len(body))
        headers = [("Content-Type", "application/json"), ("Content-Length", length), *error.headers.items()]
        start(f"{error.status} {HTTPStatus(error.status).phrase}", headers)
        note.outcome = outcome
        return _Body([body], lambda: self._end(environ, note))

    def _leave(self, environ: WSGIEnvironment, note: Note) -> None:
        self._slots.give_back()
        self._end(environ, note)

    def _end(self, environ: WSGIEnvironment, note: Note) -> None:
        self._metrics.request_ended()
        seconds = time.perf_counter() - note.started
        if note.route is not None:
            self._metrics.request(note.route, note.status, seconds)
        if self._access_log:
            _write(environ["REQUEST_METHOD"], note, seconds)


class _Body:
    """An answer's body that tells once when it has been sent, or given up."""

    __slots__ = ("_done", "_parts")

    def __init__(self, parts: Iterable[bytes], done: Callable[[], None]) -> None:
        self._parts = parts
        self._done: Callable[[], None] | None = done

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        self.close()

    def close(self) -> None:
        done, self._done = self._done, None
        try:
            if hasattr(self._parts, "close"):
                self._parts.close()
        finally:
            if done:
                done()


def _request_id(environ: WSGIEnvironment) -> str:
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _write(method: str, note: Note, seconds: float) -> None:
    log.info(
        "%s %s %d %.1f ms request=%s user=%s outcome=%s",
        method,
        note.route or "-",
        note.status,
        seconds * 1000,
        note.request_id,
        note.user or "-",
        note.outcome or "-",
        extra={
            "fields": {
                "LIGHTSPEED_REQUEST_ID": note.request_id,
                "LIGHTSPEED_USER": note.user or "",
                "LIGHTSPEED_ROUTE": note.route or "",
                "LIGHTSPEED_STATUS": str(note.status),
                "LIGHTSPEED_DURATION_MS": f"{seconds * 1000:.1f}",
                "LIGHTSPEED_OUTCOME": note.outcome or "",
                "LIGHTSPEED_CONVERSATION_ID": note.conversation or "",
            }
        },
    )

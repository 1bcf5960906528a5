"""A faulty network between the collector and a real ingress, with a journal of what passed and what was answered."""

from __future__ import annotations

import http.client
import random
import re
import select
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self

from tests.fakes.ingress_faults import PATH, REQUEST_ID, Connection, Upload, head
from tests.soak.faults import Fault, choose

_PATIENCE_SECONDS = 8
_WHOLE_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) .*\r\n\r\n", re.DOTALL)
TAKEN = (201, 202)


class Seen(NamedTuple):
    """One upload. `kept` is what the ingress answered, `told` what the collector was; None for nothing, or no whole head.

    `members` are those of the archive when the answer told refuses it.
    """

    batch: str
    fault: str
    began: float
    ended: float
    kept: int | None
    told: int | None
    members: tuple[str, ...]


class Incoming(Connection):
    """A connection that hands on what a behaviour stores, and gives up at some time."""

    def __init__(self, proxy: Proxy, sock: socket.socket) -> None:
        super().__init__(proxy, sock)
        self._proxy = proxy
        self.began = time.time()
        self.kept: int | None = None
        self.told: int | None = None

    def store(self) -> None:
        self.forward()
        if self.kept not in TAKEN:
            raise ConnectionError(f"the ingress answered {self.kept}")

    def forward(self) -> bytes:
        """Hand the upload to the ingress; the body of its answer. Raises `OSError` when there is none."""
        if self.upload.archive is None:
            raise ConnectionError("the collector was gone before it had sent everything")
        self.kept, body = self._proxy.forward(self.upload)
        return body

    def send(self, data: bytes) -> None:
        """What is sent to a collector that has stopped listening is not told."""
        heard = not self._is_gone()
        super().send(data)
        if heard and (found := _WHOLE_HEAD.match(data)):
            self.told = int(found[1])

    def _is_gone(self) -> bool:
        readable = select.poll()
        readable.register(self.sock, select.POLLIN)
        return bool(readable.poll(0)) and not self.sock.recv(1, socket.MSG_PEEK)

    @property
    def closing(self) -> bool:
        return self._proxy.closing.is_set() or time.time() > self.began + _PATIENCE_SECONDS

    def seen(self, fault: str) -> Seen:
        refused = self.told in (400, 413) and self.upload.archive is not None
        members = tuple(self.upload.members) if refused else ()
        batch = self.upload.headers.get(REQUEST_ID, "")
        return Seen(batch, fault, self.began, time.time(), self.kept, self.told, members)


def _pass_on(connection: Incoming) -> None:
    connection.read_body()
    body = connection.forward()
    assert connection.kept
    connection.send(head(connection.kept, (), len(body)) + body)


class Proxy:
    """Where the ingress is, `where` tells for each upload: it moves when it is started again."""

    def __init__(self, where: Callable[[], str], seed: str, share: float, *, peace: bool) -> None:
        self.journal: list[Seen] = []
        self.closing = threading.Event()
        self._faulty = True
        self._where = where
        self._dice = random.Random(seed)
        self._share = share
        self._peace = peace
        self._lock = threading.Lock()
        self._server = _Server(self._serve)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def calm(self) -> None:
        """No more faults."""
        self._faulty = False

    def forward(self, upload: Upload) -> tuple[int, bytes]:
        client = http.client.HTTPConnection(self._where(), timeout=_PATIENCE_SECONDS)
        try:
            client.request(upload.method, upload.path, upload.body, upload.headers)
            answer = client.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError("the ingress broke off") from error
        finally:
            client.close()

    def _choose(self) -> tuple[Fault | None, random.Random]:
        """The fault, and dice of its own for it: what is met depends on the seed and the number of the upload alone."""
        with self._lock:
            own = random.Random(self._dice.getrandbits(64))
        return (choose(own, self._share, peace=self._peace) if self._faulty else None), own

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(_PATIENCE_SECONDS)
        connection = Incoming(self, sock)
        fault, dice = self._choose()
        try:
            with suppress(OSError):
                if connection.read_head():
                    fault.make(dice)(connection) if fault else _pass_on(connection)
        finally:
            if connection.upload.method:
                seen = connection.seen(fault.name if fault else "")
                with self._lock:
                    self.journal.append(seen)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._serve = serve

    def finish_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._serve(request)

"""A server with the OpenAI chat-completions API, real sockets, one thread for any number of connections.

It answers as tests/fakes/misbehaviours.py says; the model's name chooses. `python -m tests.fakes.provider --port 0` runs it
by itself and prints its base URL.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from tests.fakes import misbehaviours
from tests.fakes.misbehaviours import CLOSE, HANG, RESET, Request, Script, Step

MODELS = ("gpt-4o-mini", *misbehaviours.BEHAVIOURS)
COMPLETIONS = "/v1/chat/completions"


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self.unsent = b""
        self.script: Script | None = None
        self.open = True


class FakeProvider:
    """`with FakeProvider() as fake: ... fake.url`; `behaviour` answers for models that are no behaviour's name."""

    def __init__(self, port: int = 0, behaviour: str = "ok", models: tuple[str, ...] = MODELS) -> None:
        self.behaviour = behaviour
        self.models = models
        self.models_behaviour = "ok"
        self.requests: list[Request] = []
        self.accepted = 0
        self.hung_up = 0
        self.connections = 0
        self._changed = threading.Condition()
        self._timers: list[tuple[float, int, _Connection]] = []
        self._order = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=2048)
        self._listener.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self.serve, name="fake-provider")

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> list[Request]:
        """The questions, without the requests for the list of models."""
        return [request for request in self.requests if request.method == "POST"]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.close()
        self._thread.join()

    def wait_until(self, condition: Callable[[FakeProvider], bool], seconds: float = 5.0) -> bool:
        """Whether the condition came true in time; it is looked at whenever a request, answer or connection ends."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), seconds)

    def serve(self) -> None:
        try:
            while self._turn():
                pass
        finally:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]  # only sockets are ever registered
            self._selector.close()

    def _turn(self) -> bool:
        for key, events in self._selector.select(self._pause()):
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listener:
                self._accept()
            else:
                self._serve(key.data, events)
        self._run_timers()
        return True

    def _pause(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            connection = heapq.heappop(self._timers)[2]
            if connection.open:
                self._advance(connection)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ, _Connection(sock))
        self._note(accepted=1, connections=1)

    def _serve(self, connection: _Connection, events: int) -> None:
        if events & selectors.EVENT_WRITE and connection.open:
            self._flush(connection)
        if events & selectors.EVENT_READ and connection.open:
            self._read(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._note(hung_up=1 if connection.script else 0)
            self._close(connection)
            return
        connection.received += data
        self._next_request(connection)

    def _next_request(self, connection: _Connection) -> None:
        request, rest = _parse(connection.received)
        if request is None or connection.script:
            return
        connection.received = rest
        connection.script = self._answer(request)
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        self._advance(connection)

    def _answer(self, request: Request) -> Script:
        if request.path.endswith("/models"):
            return self._list_models(request)
        if not request.path.endswith("/chat/completions"):
            return iter([misbehaviours.error("no such path", 404)])
        script = misbehaviours.choose(request.model) or misbehaviours.choose(self.behaviour)
        assert script is not None, self.behaviour
        return script(request)

    def _list_models(self, request: Request) -> Script:
        if self.models_behaviour != "ok":
            script = misbehaviours.choose(self.models_behaviour)
            assert script is not None, self.models_behaviour
            return script(request)
        data = [{"id": name, "object": "model", "owned_by": "fake"} for name in self.models]
        return iter([misbehaviours.whole(json.dumps({"object": "list", "data": data}).encode())])

    def _advance(self, connection: _Connection) -> None:
        """Take steps of the script until one has to be waited for."""
        while connection.script and connection.open and not connection.unsent:
            step = next(connection.script, None)
            if step is None:
                connection.script = None
                self._note()
                self._next_request(connection)
            elif isinstance(step, bytes):
                connection.unsent = step
                self._flush(connection, then_advance=False)
            elif isinstance(step, float):
                heapq.heappush(self._timers, (time.monotonic() + step, next(self._order), connection))
                return
            elif self._end(connection, step):
                return

    def _end(self, connection: _Connection, step: Step) -> bool:
        if step is RESET:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if step in (CLOSE, RESET):
            self._close(connection)
        return step is HANG or not connection.open

    def _flush(self, connection: _Connection, then_advance: bool = True) -> None:
        try:
            sent = connection.sock.send(connection.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._note(hung_up=1)
            self._close(connection)
            return
        blocked_before = then_advance
        connection.unsent = connection.unsent[sent:]
        if connection.unsent or blocked_before:
            writing = selectors.EVENT_WRITE if connection.unsent else 0
            self._selector.modify(connection.sock, selectors.EVENT_READ | writing, connection)
        if then_advance:
            self._advance(connection)

    def _close(self, connection: _Connection) -> None:
        connection.open = False
        connection.script = None
        self._selector.unregister(connection.sock)
        connection.sock.close()
        self._note(connections=-1)

    def _note(self, accepted: int = 0, connections: int = 0, hung_up: int = 0) -> None:
        with self._changed:
            self.accepted += accepted
            self.connections += connections
            self.hung_up += hung_up
            self._changed.notify_all()


def _parse(received: bytes) -> tuple[Request | None, bytes]:
    top, end, rest = received.partition(b"\r\n\r\n")
    if not end:
        return None, received
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if len(rest) < length:
        return None, received
    method, path, _ = first.split(" ", 2)
    return Request(method, path, headers, _decode(rest[:length])), rest[length:]


def _decode(body: bytes) -> Any:
    return json.loads(body) if body else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--behaviour", default="ok", help="for models that are no behaviour's name, e.g. tokens-50-0.1")
    options = parser.parse_args()
    fake = FakeProvider(options.port, options.behaviour)
    print(fake.url, flush=True)
    fake.serve()


if __name__ == "__main__":
    main()

"""An ingress that misbehaves on request: every answer, silence and break of a connection that a network can show.

Each upload is met by the next behaviour of the script, the last one for ever. A behaviour may store what it read, as the
real ingress may have done before the connection broke; `stored` is what an auditor finds there.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import io
import json
import queue
import socket
import ssl
import struct
import tarfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

PATH = "/api/ingress/v1/upload"
REQUEST_ID = "x-rh-insights-request-id"


@dataclass
class Upload:
    """What came over one connection; `archive` is None unless the body was whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    archive: bytes | None = None
    filename: str = ""
    content_type: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def batch_id(self) -> str:
        return str(self.metadata["custom_metadata"]["batch_id"])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.archive or b"").hexdigest()

    @property
    def members(self) -> dict[str, bytes]:
        return unpacked(self.archive or b"")


class Connection:
    """One connection as a behaviour sees it."""

    def __init__(self, ingress: FaultyIngress, sock: socket.socket) -> None:
        self._ingress = ingress
        self.sock = sock
        self._rest = b""
        self.upload = Upload("", "", {})

    def read_head(self) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                return False
            data += piece
        head, _, self._rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.upload = Upload(method, path, headers)
        return True

    def read_body(self, limit: int | None = None) -> None:
        """The body, or its first `limit` bytes; ends the behaviour when the client goes away before."""
        length = int(self.upload.headers.get("content-length", "0"))
        wanted = length if limit is None else min(limit, length)
        pieces, got = [self._rest], len(self._rest)
        while got < wanted:
            piece = self.sock.recv(min(1 << 20, wanted - got))
            if not piece:
                raise ConnectionAbortedError("the client went away")
            pieces.append(piece)
            got += len(piece)
        self.upload.body = b"".join(pieces)
        if got >= length:
            _parse(self.upload)

    def store(self) -> None:
        assert self.upload.archive is not None, "the body was not whole"
        self._ingress.keep(self.upload)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_until_gone(self) -> None:
        """Say nothing until the client closes, or the test ends."""
        with suppress(OSError):
            while self.sock.recv(65536):
                pass

    @property
    def closing(self) -> bool:
        return self._ingress.closing.is_set()


Behaviour = Callable[[Connection], None]


class FaultyIngress:
    """`script` is one behaviour for each connection; the last is repeated. With a certificate in `pem` it speaks TLS."""

    def __init__(self, *script: Behaviour, pem: Path | None = None) -> None:
        self.script = list(script) or [accept()]
        self._scheme = "https" if pem else "http"
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if pem else None
        if self._tls and pem:
            self._tls.load_cert_chain(pem)
        self.uploads: list[Upload] = []
        self.stored: list[Upload] = []
        self.closing = threading.Event()
        self.arrivals: queue.Queue[Upload] = queue.Queue()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        # What is not read stays with the sender, but for these bytes: half an upload is half an upload.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}{PATH}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for sock in self._open:
            sock.close()

    def keep(self, upload: Upload) -> None:
        with self._lock:
            self.stored.append(upload)

    @property
    def records(self) -> dict[str, bytes]:
        """Everything stored, by member; the same batch twice counts once."""
        return {name: data for upload in self.batches.values() for name, data in upload.members.items()}

    @property
    def batches(self) -> dict[str, Upload]:
        """The stored uploads by batch id; fails when one id came with two contents."""
        found: dict[str, Upload] = {}
        for upload in self.stored:
            first = found.setdefault(upload.batch_id, upload)
            assert first.archive == upload.archive, f"batch {upload.batch_id} came with two contents"
        return found

    @property
    def deliveries(self) -> list[str]:
        """Every record of every distinct batch: one that is there twice was delivered twice."""
        return [name for upload in self.batches.values() for name in upload.members]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):
            if self._tls:
                # Else a reset overtakes the answer before it.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            connection = Connection(self, sock)
            if connection.read_head():
                with self._lock:
                    behaviour = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    self.uploads.append(connection.upload)
                self.arrivals.put(connection.upload)
                behaviour(connection)
            if isinstance(sock, ssl.SSLSocket):
                with suppress(OSError, ValueError):  # only the client's part of the goodbye is not there yet
                    sock.setblocking(False)
                    sock.unwrap()
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def head(status: int, headers: Iterable[str] = (), length: int | None = 0) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def answer(status: int, *headers: str, body: bytes = b"", store: bool = False) -> Behaviour:
    """Read the whole upload, then answer."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if store:
            connection.store()
        connection.send(head(status, headers, len(body)) + body)

    return behave


def accept(status: int = 202, body: bytes | None = None) -> Behaviour:
    """As the real one: store, tell the request id in header and body; answer 200 to the connection test."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if connection.upload.body == b"test=test":
            connection.send(head(200, [f"{REQUEST_ID}: r-test"], 2) + b"{}")
            return
        connection.store()
        request_id = f"r-{len(connection._ingress.stored):04d}"
        told = json.dumps({"request_id": request_id, "upload": {}}).encode() if body is None else body
        connection.send(head(status, [f"{REQUEST_ID}: {request_id}"], len(told)) + told)

    return behave


def only(fits: Callable[[Upload], bool], status: int) -> Behaviour:
    """Accept an upload that fits, answer `status` to any other."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if not fits(connection.upload):
            connection.send(head(status))
            return
        connection.store()
        connection.send(head(202))

    return behave


def too_large(limit: int) -> Behaviour:
    return only(lambda upload: len(upload.archive or b"") <= limit, 413)


def early(status: int) -> Behaviour:
    """Answer before the body was read, then close."""

    def behave(connection: Connection) -> None:
        connection.send(head(status))
        connection.sock.shutdown(socket.SHUT_WR)
        connection.wait_until_gone()

    return behave


def answer_half(status: int, size: int) -> Behaviour:
    """Read so much of the body, answer, then reset the connection."""

    def behave(connection: Connection) -> None:
        connection.read_body(size)
        connection.send(head(status))
        connection.reset()

    return behave


def answer_first(status: int) -> Behaviour:
    """Answer, then read the body and throw it away."""

    def behave(connection: Connection) -> None:
        connection.send(head(status))
        connection.read_body()
        connection.upload.archive = None

    return behave


def answer_around(status: int) -> Behaviour:
    """Send the head of the answer, read the body of the upload and throw it away, send the body of the answer."""

    def behave(connection: Connection) -> None:
        connection.send(head(status, length=100))
        connection.read_body()
        connection.upload.archive = None
        connection.send(b" " * 100)

    return behave


def answer_late(status: int, pause: float) -> Behaviour:
    """Read no more of the upload, answer after a pause, then reset."""

    def behave(connection: Connection) -> None:
        time.sleep(pause)
        connection.send(head(status))
        connection.reset()

    return behave


def reset_after(size: int) -> Behaviour:
    """Read so much of the body, then reset the connection."""

    def behave(connection: Connection) -> None:
        connection.read_body(size)
        connection.reset()

    return behave


def drop_request(connection: Connection) -> None:
    """Close after the head, unread."""


def drop_response(store: bool) -> Behaviour:
    """Read all, perhaps store it, close without a word."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if store:
            connection.store()

    return behave


def reset_response(store: bool) -> Behaviour:
    """Read all, perhaps store it, reset the connection."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if store:
            connection.store()
        connection.reset()

    return behave


def stall_request(connection: Connection) -> None:
    """Never read the body."""
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while not connection.closing:
        time.sleep(0.02)


def stall_response(store: bool) -> Behaviour:
    """Read all, perhaps store it, never answer."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if store:
            connection.store()
        connection.wait_until_gone()

    return behave


def drip(data: bytes, pause: float, store: bool = True, then: bytes = b"") -> Behaviour:
    """Read all, store it, answer byte by byte."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if store:
            connection.store()
        for number in data:
            connection.send(bytes([number]))
            if connection.closing:
                return
            time.sleep(pause)
        connection.send(then)

    return behave


def endless_head(pause: float, store: bool) -> Behaviour:
    """Read all, then send a head that never ends."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if store:
            connection.store()
        connection.send(b"HTTP/1.1 202 Accepted\r\n")
        while not connection.closing:
            connection.send(b"X-Filler: 1\r\n")
            time.sleep(pause)

    return behave


def endless_body(connection: Connection) -> None:
    """Accept, then send a body that never ends, slowly."""
    connection.read_body()
    connection.store()
    connection.send(head(202, length=None))
    while not connection.closing:
        connection.send(b" ")
        time.sleep(0.05)


def raw(data: bytes, store: bool = False) -> Behaviour:
    """Read all, then send these bytes and close."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        if store:
            connection.store()
        connection.send(data)

    return behave


def gated(gate: threading.Event, then: Behaviour) -> Behaviour:
    """Read all, wait for the test, then go on."""

    def behave(connection: Connection) -> None:
        connection.read_body()
        gate.wait(30)
        connection._rest = connection.upload.body
        then(connection)

    return behave


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The members of an archive; fails on one that isn't sound to its end."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        found = {}
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None, f"{member.name} is no file"
            found[member.name] = content.read()
        return found


def _parse(upload: Upload) -> None:
    kind = upload.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return
    raw_message = f"Content-Type: {kind}\r\n\r\n".encode() + upload.body
    message = email.message_from_bytes(raw_message, policy=email.policy.HTTP)
    assert isinstance(message, EmailMessage)
    for part in message.iter_parts():
        assert isinstance(part, EmailMessage)
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if name == "file":
            upload.archive, upload.filename, upload.content_type = (
                content,
                part.get_filename() or "",
                part["content-type"],
            )
        elif name == "metadata":
            upload.metadata = json.loads(content)

"""TLS in front of a plain server on loopback, with a certificate of its own making."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder: Path, name: str = "127.0.0.1", *, ends_in_days: int = 1) -> Path:
    """A file with a key and its self-signed certificate for this address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=ends_in_days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / f"{name}.pem"
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + signed.public_bytes(encoding))
    return file


class TlsFront:
    """Passes every connection on to `port`; `silent` ones are accepted and never shaken hands with.

    The first `hung_up` connections are closed in the middle of the handshake.
    """

    def __init__(self, port: int, pem: Path, silent: bool = False, hung_up: int = 0) -> None:
        self._hung_up = hung_up
        self._port = port
        self._silent = silent
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._url = f"https://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return self._url

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for sock in self._open:
            _hang_up(sock)
        for thread in self._threads[1:]:
            thread.join()
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            if self._hung_up:
                self._hung_up -= 1
                sock.recv(1)
                _hang_up(sock)
            elif not self._silent:
                self._pass_on(sock)

    def _pass_on(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        try:
            outer = self._context.wrap_socket(sock, server_side=True)
        except OSError:
            return
        outer.settimeout(None)
        inner = socket.create_connection(("127.0.0.1", self._port))
        self._open += [outer, inner]
        for source, drain in ((outer, inner), (inner, outer)):
            thread = threading.Thread(target=_pump, args=(source, drain))
            self._threads.append(thread)
            thread.start()


def _pump(source: socket.socket, drain: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := source.recv(65536):
            drain.sendall(data)
    _hang_up(source)
    _hang_up(drain)


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)

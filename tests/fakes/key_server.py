"""A JSON Web Key Set server that can also be down, slow, broken or endless, and the tokens that its keys sign."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Signer:
    """A key pair: `public` is its entry in the set."""

    def __init__(self, algorithm: str, kid: str | None, **extra: object) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.private = _make(algorithm)
        entry = {**_public(self.private), "kid": kid, "alg": algorithm, **extra}
        self.public = {name: value for name, value in entry.items() if value is not None}

    def sign(self, claims: dict[str, Any], **header: object) -> str:
        """A header given as None is left out."""
        headers: dict[str, Any] = {"kid": self.kid, **header}
        kept = {name: value for name, value in headers.items() if value is not None}
        return jwt.encode(claims, self.private, self.algorithm, headers=kept)


def _make(algorithm: str) -> PrivateKey:
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def _public(private: PrivateKey) -> dict[str, Any]:
    if isinstance(private, rsa.RSAPrivateKey):
        return dict(RSAAlgorithm.to_jwk(private.public_key(), as_dict=True))
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return dict(ECAlgorithm.to_jwk(private.public_key(), as_dict=True))
    return dict(OKPAlgorithm.to_jwk(private.public_key(), as_dict=True))


class KeyServer:
    """Serves `body` with `status`; while `gate` is cleared, requests wait. `count` is how many have come.

    `endless` goes on with spaces, one each `drip_seconds` when that is set. `stall` is what comes before the headers, and what
    comes again and again until `resumed` is set; `stalls` is set when that has begun.
    """

    def __init__(self, *signers: Signer) -> None:
        self.status = 200
        self.body = b""
        self.endless = False
        self.drip_seconds = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.ended = threading.Event()
        self.stall = (b"", b"")
        self.stalls = threading.Event()
        self.resumed = threading.Event()
        self.count = 0
        self.headers: list[dict[str, str]] = []
        self.publish(*signers)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    def publish(self, *signers: Signer) -> None:
        self.body = json.dumps({"keys": [signer.public for signer in signers]}).encode()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self.ended.set()
        self.resumed.set()
        self.endless = False
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.count += 1
                server.headers.append(dict(self.headers))
                server.gate.wait(30)
                body = server.body
                try:
                    self._stall(*server.stall)
                    self.send_response(server.status)
                    self.send_header("Content-Type", "application/json")
                    self.end_headers()
                    self.wfile.write(body)
                    while server.endless:
                        self.wfile.write(b" " if server.drip_seconds else b" " * 4096)
                        server.ended.wait(server.drip_seconds)
                except OSError:
                    self.close_connection = True

            def _stall(self, first: bytes, again: bytes) -> None:
                self.wfile.write(first)
                while again and not server.resumed.wait(0.02):
                    self.wfile.write(again)
                    server.stalls.set()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
                pass

        return Handler

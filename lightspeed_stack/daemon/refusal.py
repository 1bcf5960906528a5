"""What a client is told, and the log of it, when nobody can answer it; and how its connection is closed.

Neither holds a word of what the client sent: it may be a secret.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from gunicorn.http import errors

from lightspeed_stack.daemon import sending

log = logging.getLogger(__name__)

LINGER_SECONDS = 2.0
LINGER_SILENCE_SECONDS = 0.5
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
SERVER_ERRORS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)
CLIENT_ERRORS = (errors.ParseException, ssl.SSLError)


def unreadable(client: socket.socket, address: Any, error: BaseException) -> None:
    """Refuse what is no request; what is wrong on our side is logged whole."""
    if not isinstance(error, CLIENT_ERRORS) or isinstance(error, SERVER_ERRORS):
        log.error("an unforeseen fault", exc_info=error)
        answer = _answer("500 Internal Server Error", "Internal server error", "The request could not be answered.")
    else:
        log.info("no valid request (%s): %s", type(error).__name__, address[0] if address else "-")
        answer = _refusal(error)
    with suppress(OSError):
        sending.send(client, answer)


def _refusal(error: BaseException) -> bytes:
    match error:
        case errors.LimitRequestHeaders():
            text = "Request header fields too large"
            return _answer("431 Request Header Fields Too Large", text, "A header of the request is too large.")
        case errors.LimitRequestLine():
            return _answer("414 URI Too Long", "URI too long", "The first line of the request is too long.")
        case errors.ExpectationFailed():
            return _answer("417 Expectation Failed", "Expectation failed", "Only 100-continue may be expected.")
        case errors.UnsupportedTransferCoding():
            return _answer("501 Not Implemented", "Not implemented", "The transfer coding is not supported.")
    return _answer("400 Bad Request", "Bad request", "The request is no valid HTTP.")


def _answer(status: str, response: str, cause: str) -> bytes:
    body = json.dumps({"detail": {"response": response, "cause": cause}}, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def too_slow(conn: Any) -> None:
    log.info("a client was too slow with its request and was disconnected: %s", conn.client[0] if conn.client else "-")
    with suppress(OSError):
        sending.send(conn.sock, TOO_SLOW)


def linger(connection: socket.socket) -> None:
    """Close so that the peer gets all that was sent, even while it is sending itself (RFC 9112, section 9.6)."""
    end = time.monotonic() + LINGER_SECONDS
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(LINGER_SILENCE_SECONDS)
        while time.monotonic() < end and connection.recv(65536):
            pass
    connection.close()

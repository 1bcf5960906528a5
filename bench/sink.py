"""An ingress that costs next to nothing: reads an upload, forgets it, answers 202."""

from __future__ import annotations

import re
import socket
import sys

ANSWER = b'HTTP/1.1 202 Accepted\r\nContent-Length: 19\r\nConnection: close\r\n\r\n{"request_id": "r"}'


def serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"ready: Serving at http://127.0.0.1:{listener.getsockname()[1]}/upload", file=sys.stderr, flush=True)
    buffer = bytearray(1 << 20)
    while True:
        sock, _ = listener.accept()
        with sock:
            take(sock, buffer)


def take(sock: socket.socket, buffer: bytearray) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length:
        left = int(length[1]) - len(head.partition(b"\r\n\r\n")[2])
        while left > 0 and (got := sock.recv_into(buffer, min(left, len(buffer)))):
            left -= got
    else:
        if b"100-continue" in head:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        tail = head[-5:]
        while tail != b"0\r\n\r\n" and (got := sock.recv_into(buffer)):
            tail = (tail + bytes(buffer[max(0, got - 5) : got]))[-5:]
    sock.sendall(ANSWER)


if __name__ == "__main__":
    serve()

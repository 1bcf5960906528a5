"""Logging for the journal.

Under systemd a record goes to the journal with its fields (systemd.journal-fields(7)) over the native protocol;
where that socket is missing, to stderr with a `<N>` priority before every line (sd-daemon(3)); on a plain stderr
with time and level. `extra={"event": ID, "fields": {...}}` adds a MESSAGE_ID and journal fields.

A record is one system call, which the kernel keeps whole; so no lock is held, and no thread waits for another's line.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

JOURNAL_SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_COLORS = {3: "\x1b[31m", 2: "\x1b[31m", 4: "\x1b[33m"}


def setup(name: str, verbose: bool = False, stream: TextIO = sys.stderr, color: bool = False) -> None:
    """Send every logger of this process to the journal or `stream`; `name` is the SYSLOG_IDENTIFIER."""
    root = logging.getLogger()
    root.handlers[:] = [_handler(name, stream, color)]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    for unused in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, unused, False)  # no line shows them; the documentation of logging recommends it for speed
    for chatty in ("urllib3", "botocore", "boto3", "s3transfer", "sqlalchemy"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def complain(name: str, faults: Iterable[object], stream: TextIO | None = None) -> None:
    """One line for each fault on `stream` (stderr), before there is a logger; in the journal they are errors."""
    stream = stream or sys.stderr
    mark = "<3>" if _is_journal(stream, os.environ) else ""
    for fault in faults:
        print(f"{mark}{name}: {fault}", file=stream)


def priority(level: int) -> int:
    """The syslog priority of a logging level."""
    return next((number for floor, number in _PRIORITIES if level >= floor), 7)


def _handler(name: str, stream: TextIO, color: bool) -> logging.Handler:
    if not _is_journal(stream, os.environ):
        handler = _lines(stream)
        handler.setFormatter(_Plain(color and stream.isatty()))
    elif os.path.exists(JOURNAL_SOCKET):
        handler = JournalHandler(name, JOURNAL_SOCKET)
    else:
        handler = _lines(stream)
        handler.setFormatter(_Prefixed())
    return handler


def _lines(stream: TextIO) -> logging.Handler:
    try:
        return _Lines(stream.fileno())
    except OSError:
        return logging.StreamHandler(stream)


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is the one that systemd connected to the journal (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        stat = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


class _Plain(logging.Formatter):
    def __init__(self, color: bool) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")
        self._color = color
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        paint = _COLORS.get(priority(record.levelno)) if self._color else None
        return f"{paint}{text}\x1b[0m" if paint else text

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        second, text = self._second
        if int(record.created) != second:
            text = super().formatTime(record, datefmt)
            self._second = int(record.created), text
        return text


class _Prefixed(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        mark = f"<{priority(record.levelno)}>"
        return "\n".join(mark + line for line in super().format(record).splitlines())


class _Unlocked(logging.Handler):
    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True


class _Lines(_Unlocked):
    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        try:
            rest = f"{self.format(record)}\n".encode(errors="backslashreplace")
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self.handleError(record)


class JournalHandler(_Unlocked):
    """One datagram a record, in the journal's native protocol (systemd: docs/JOURNAL_NATIVE_PROTOCOL)."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__()
        self._identifier = name
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(b"".join(_field(key, value) for key, value in self._fields(record).items()))
        except OSError:
            self.handleError(record)

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(priority(record.levelno)),
            "SYSLOG_IDENTIFIER": self._identifier,
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
        }
        event = getattr(record, "event", None)
        if event:
            fields["MESSAGE_ID"] = event
        fields.update({key: str(value) for key, value in getattr(record, "fields", {}).items()})
        return fields

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, self._address)
        except OSError as error:
            if len(datagram) < 100_000:
                raise error
            self._send_by_memfd(datagram)

    def _send_by_memfd(self, data: bytes) -> None:
        import fcntl

        descriptor = os.memfd_create("journal", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb", buffering=0) as memory:
            memory.write(data)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, 0xF)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))]
            self._socket.sendmsg([b""], rights, 0, self._address)


def _field(key: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if b"\n" not in data:
        return key.encode() + b"=" + data + b"\n"
    return key.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"

import io
import logging
import os
import re
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightspeed_stack.daemon import log


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    logging.captureWarnings(False)


def record(text: str, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("name", level, "file.py", 7, text, (), None, "function")
    made.__dict__.update(extra)
    return made


def parsed(datagram: bytes) -> dict[str, str]:
    """A journal datagram read by the rules of its protocol."""
    fields, rest = {}, datagram
    while rest:
        line, rest = rest.split(b"\n", 1)
        if b"=" in line:
            key, value = line.split(b"=", 1)
        else:
            (size,) = struct.unpack("<Q", rest[:8])
            key, value, rest = line, rest[8 : 8 + size], rest[9 + size :]
        fields[key.decode()] = value.decode()
    return fields


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(5)
        yield listener


def test_a_plain_stderr_gets_time_level_and_text() -> None:
    stream = io.StringIO()
    log.setup("test", stream=stream)
    logging.getLogger("a").warning("text %d", 1)
    logging.getLogger("a").debug("hidden")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d WARNING text 1\n", stream.getvalue())


def test_verbose_shows_more() -> None:
    stream = io.StringIO()
    log.setup("test", verbose=True, stream=stream)
    logging.getLogger("a").debug("shown")
    assert "shown" in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "number"), [(logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7)]
)
def test_levels_are_syslog_priorities(level: int, number: int) -> None:
    assert log.priority(level) == number


def test_a_record_goes_to_the_journal_with_its_fields(journal: socket.socket) -> None:
    handler = log.JournalHandler("lightspeed-test", journal.getsockname())
    handler.emit(record("sent\ntwo lines", logging.ERROR, event="a" * 32, fields={"LIGHTSPEED_BATCH_ID": "7"}))
    handler._socket.close()
    fields = parsed(journal.recv(100_000))
    assert fields == fields | {
        "MESSAGE": "sent\ntwo lines",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "lightspeed-test",
        "MESSAGE_ID": "a" * 32,
        "LIGHTSPEED_BATCH_ID": "7",
    }


def test_a_record_too_large_for_a_datagram_arrives_whole(journal: socket.socket) -> None:
    handler = log.JournalHandler("lightspeed-test", journal.getsockname())
    text = "x" * 2_000_000
    handler.emit(record(text))
    handler._socket.close()
    _, rights, _, _ = journal.recvmsg(10, socket.CMSG_SPACE(4))
    (descriptor,) = struct.unpack("i", rights[0][2])
    with os.fdopen(descriptor, "rb") as memory:
        memory.seek(0)
        assert parsed(memory.read())["MESSAGE"] == text


def test_without_the_native_socket_every_line_bears_its_priority() -> None:
    assert log._Prefixed().format(record("one\ntwo", logging.ERROR)) == "<3>one\n<3>two"


def test_stderr_is_the_journal_only_when_systemd_says_so(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        stat = os.fstat(stream.fileno())
        assert log._is_journal(stream, {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
        assert not log._is_journal(stream, {"JOURNAL_STREAM": "1:1"})
        assert not log._is_journal(stream, {})
    assert not log._is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:1"})


def test_faults_are_plain_lines_where_people_read() -> None:
    stream = io.StringIO()
    log.complain("program", ["one", "two"], stream)
    assert stream.getvalue() == "program: one\nprogram: two\n"


def test_faults_are_errors_in_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(tmp_path / "stderr", "w+") as stream:
        stat = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
        log.complain("program", ["one", "two"], stream)
        stream.seek(0)
        assert stream.read() == "<3>program: one\n<3>program: two\n"


def test_lines_of_many_threads_stay_whole() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as lines, os.fdopen(writer, "w") as stream:
        log.setup("test", stream=stream)
        logger = logging.getLogger("a")
        threads = [threading.Thread(target=logger.info, args=(letter * 3000,)) for letter in "abcdefgh"]
        for thread in threads:
            thread.start()
        found = sorted(lines.readline().split("INFO")[1].strip() for _ in threads)
        assert found == [letter * 3000 for letter in "abcdefgh"]

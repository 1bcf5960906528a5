import os
from pathlib import Path

import pytest

from lightspeed_stack import published
from lightspeed_stack.published import Published, State


def test_what_the_collector_wrote(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    file.write_text('{"sent_total": 3}\n')
    assert published.read(file) == Published(State.PUBLISHED, {"sent_total": 3})


def test_nothing_is_configured() -> None:
    assert published.read(None) == Published(State.UNCONFIGURED)


def test_nothing_is_written_yet(tmp_path: Path) -> None:
    assert published.read(tmp_path / "status.json") == Published(State.MISSING)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b"{nope",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": "' + b"x" * published.MAX_BYTES + b'"}',
        b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
    ids=["empty", "list", "broken", "no utf-8", "half a character", "NaN", "infinite", "huge", "deep"],
)
def test_what_is_no_json_object_is_unreadable(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "status.json"
    file.write_bytes(content)
    assert published.read(file) == Published(State.UNREADABLE)


@pytest.mark.timeout(10)
def test_what_is_no_file_is_unreadable_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "status.json")
    assert published.read(tmp_path / "status.json") == Published(State.UNREADABLE)
    assert published.read(tmp_path) == Published(State.UNREADABLE)

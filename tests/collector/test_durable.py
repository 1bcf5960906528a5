import io
import os
from pathlib import Path

import pytest

from lightspeed_collector.durable import replace, write_durably


def test_bytes_and_files_are_written_whole(tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    write_durably(tmp_path / "a", content, 0o600)
    write_durably(tmp_path / "b", io.BytesIO(content), 0o640)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == content
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        write_durably(tmp_path / "a", b"x", 0o600)
    assert not (tmp_path / "victim").exists()


def test_reader_of_the_old_contents_keeps_them(tmp_path: Path) -> None:
    replace(tmp_path / "a", b"old", 0o644)
    with (tmp_path / "a").open("rb") as reader:
        replace(tmp_path / "a", b"new", 0o644)
        assert reader.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".a.draft")
    with pytest.raises(OSError, match="No such device"):
        replace(tmp_path / "a", b"x", 0o644)

import gzip
import hashlib
import io
import os
import threading
import zlib
from pathlib import Path

import pytest

from lightspeed_collector.gzipped import Writer


class Slow(io.BytesIO):
    """Takes less than it is given, as a pipe or a full disk may."""

    def write(self, data: object) -> int:
        return super().write(bytes(data)[:1000])  # type: ignore[call-overload]


@pytest.mark.parametrize("level", range(1, 10))
def test_what_is_put_comes_back(level: int) -> None:
    file, content = io.BytesIO(), os.urandom(1000) * 5000
    with Writer(file, level) as writer:
        writer.put(content[:10], content[10:])
        writer.close()
    assert gzip.decompress(file.getvalue()) == content
    assert zlib.decompressobj(31).decompress(file.getvalue()) == content
    assert writer.sha256 == hashlib.sha256(file.getvalue()).hexdigest()
    assert writer.written == len(file.getvalue())


@pytest.mark.parametrize("level", [1, 2, 6])
def test_same_bytes_in_same_bytes_out(level: int) -> None:
    made = []
    for _ in range(2):
        file = io.BytesIO()
        with Writer(file, level) as writer:
            writer.put(b"same" * 1000)
            writer.close()
        made.append(file.getvalue())
    assert made[0] == made[1]


def test_short_writes_are_continued() -> None:
    file, content = Slow(), os.urandom(200_000)
    with Writer(file, 2) as writer:
        writer.put(content)
        writer.close()
    assert gzip.decompress(file.getvalue()) == content


def test_file_that_can_not_be_written_is_told() -> None:
    with open("/dev/full", "wb", buffering=0) as file, Writer(file, 2) as writer:
        writer.put(os.urandom(3 << 20))
        with pytest.raises(OSError, match="No space"):
            writer.close()


def test_nothing_is_written_after_the_block(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        with Writer(file, 2) as writer:
            writer.put(os.urandom(3 << 20))
        size = os.fstat(file.fileno()).st_size
        assert size > 0
        assert not any(thread.name == "compress" for thread in threading.enumerate())

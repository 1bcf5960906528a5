import os
from pathlib import Path

import pytest

from lightspeed_collector.large import Large, Unsettled

SIZE = 5 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "record"
    path.write_bytes(os.urandom(SIZE))
    return path


def test_pieces_are_the_whole(path: Path) -> None:
    with path.open("rb") as file:
        assert b"".join(Large(file, SIZE, path).pieces()) == path.read_bytes()


def test_edges_are_its_ends_and_move_nothing(path: Path) -> None:
    content = path.read_bytes()
    with path.open("rb") as file:
        large = Large(file, SIZE, path)
        assert large.edges(100) == (content[:100], content[-100:])
        assert b"".join(large.pieces()) == content


def test_record_that_shrinks_while_it_is_read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        pieces = Large(file, SIZE, path).pieces()
        next(pieces)
        os.truncate(path, SIZE // 2)
        with pytest.raises(Unsettled):
            list(pieces)


def test_record_that_grows_while_it_is_read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        pieces = Large(file, SIZE, path).pieces()
        next(pieces)
        with path.open("ab") as writer:
            writer.write(b"more")
        with pytest.raises(Unsettled):
            list(pieces)

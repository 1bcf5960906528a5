"""Drafts on a real disk."""

import hashlib
import os
from pathlib import Path

import pytest

from lightspeed_collector.ingress import draft
from lightspeed_collector.ingress.draft import Draft
from lightspeed_collector.ingress.payload import Malformed
from tests.fakes.archives import archive, member


def test_it_is_hashed_and_checked_on_the_way(tmp_path: Path) -> None:
    body = archive({member(): b"{}", member(): b"[]"})
    with Draft(tmp_path, 1 << 20) as taken:
        for at in range(0, len(body), 50):
            taken.write(body[at : at + 50])
        taken.sync()
        assert taken.path.read_bytes() == body
        assert taken.path.stat().st_mode & 0o777 == 0o640
        assert (taken.size, taken.records()) == (len(body), 2)
        assert taken.sha256 == hashlib.sha256(body).hexdigest()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_archive_is_kept_and_hashed_all_the_same(tmp_path: Path) -> None:
    with Draft(tmp_path, 1 << 20) as taken:
        taken.write(b"nonsense" * 20)
        taken.write(b"more")
        assert taken.sha256 == hashlib.sha256(b"nonsense" * 20 + b"more").hexdigest()
        with pytest.raises(Malformed, match="gzip"):
            taken.records()


def test_beyond_the_limit_nothing_reaches_the_disk(tmp_path: Path) -> None:
    with Draft(tmp_path, 100) as taken:
        taken.write(b"x" * 100)
        assert not taken.is_too_large
        taken.write(b"y" * 50)
        assert taken.is_too_large
        assert taken.size == 150
        assert taken.path.read_bytes() == b"x" * 100


def test_the_file_is_gone_when_something_goes_wrong(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Draft(tmp_path, 100):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_takes_what_a_crash_left_and_nothing_alive(tmp_path: Path) -> None:
    (tmp_path / ".dead.draft").write_bytes(b"x")
    (tmp_path / "payload.tar.gz").write_bytes(b"x")
    with Draft(tmp_path, 100) as alive:
        assert draft.sweep(tmp_path) == 1
        assert alive.path.exists()
    assert os.listdir(tmp_path) == ["payload.tar.gz"]

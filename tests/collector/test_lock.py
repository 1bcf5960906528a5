import os
from pathlib import Path

import pytest

from lightspeed_collector import lock
from lightspeed_collector.errors import Locked, StateError


def test_second_is_held_off_until_the_first_is_done(tmp_path: Path) -> None:
    with lock.held(tmp_path / "lock"), pytest.raises(Locked), lock.held(tmp_path / "lock"):
        pass
    with lock.held(tmp_path / "lock"):
        pass


def test_lock_that_is_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StateError), lock.held(tmp_path / "lock"):
        pass
    assert not (tmp_path / "victim").exists()


def test_folders_are_held_while_they_are_open(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    lock.folders([first])
    with pytest.raises(Locked):
        lock.folders([second])
    os.close(first)
    lock.folders([second])
    os.close(second)

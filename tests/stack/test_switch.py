"""The feedback switch: one position for the installation, at once and for good."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lightspeed_stack.switch import FILE, Switch, SwitchError


@pytest.mark.parametrize("default", [True, False])
def test_configured_position_holds_until_the_switch_is_set(tmp_path: Path, default: bool) -> None:
    switch = Switch(tmp_path / "state", default)
    assert switch.get() is default
    assert not (tmp_path / "state").exists()


def test_set_tells_the_position_before(tmp_path: Path) -> None:
    switch = Switch(tmp_path, True)
    assert [switch.set(position) for position in (False, False, True, False)] == [True, False, False, True]
    assert switch.get() is False


@pytest.mark.parametrize("default", [True, False])
def test_position_outlives_a_restart(tmp_path: Path, default: bool) -> None:
    for position in (not default, default, not default):
        Switch(tmp_path, default).set(position)
        restarted = Switch(tmp_path, default)
        restarted.settle()
        assert restarted.get() is position
    assert os.listdir(tmp_path) == [FILE]


@pytest.mark.parametrize("position", [True, False])
@pytest.mark.parametrize("default", [True, False])
def test_another_configured_position_wins(tmp_path: Path, default: bool, position: bool) -> None:
    Switch(tmp_path, default).set(position)
    reconfigured = Switch(tmp_path, not default)
    assert reconfigured.get() is not default
    assert reconfigured.set(position) is not default
    assert reconfigured.get() is position


@pytest.mark.parametrize("position", [True, False])
@pytest.mark.parametrize("default", [True, False])
def test_a_position_does_not_come_back_with_the_configured_one(tmp_path: Path, default: bool, position: bool) -> None:
    Switch(tmp_path, default).set(position)
    Switch(tmp_path, not default).settle()
    assert Switch(tmp_path, default).get() is default
    assert os.listdir(tmp_path) == []


def test_a_damaged_file_is_left_for_somebody_to_look_at(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"maybe\n")
    Switch(tmp_path, True).settle()
    assert (tmp_path / FILE).read_bytes() == b"maybe\n"


def test_others_see_each_turn_at_once_however_fast(tmp_path: Path) -> None:
    one, other = Switch(tmp_path, True), Switch(tmp_path, True)
    for turn in range(30):
        one.set(turn % 3 == 0)
        assert other.get() is (turn % 3 == 0)


def test_turns_between_two_looks_are_not_mistaken_for_none(tmp_path: Path) -> None:
    one, other = Switch(tmp_path, True), Switch(tmp_path, True)
    for turn in range(24):
        one.set(turn % 2 == 0)
        assert other.get() is (turn % 2 == 0)
        for _ in range(turn % 4):
            one.set(turn % 2 == 0)
            one.set(turn % 2 == 1)
            one.set(turn % 2 == 0)
        assert other.get() is (turn % 2 == 0)


def test_another_process_sees_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lightspeed_stack.switch import Switch\n"
        "switch = Switch(Path(sys.argv[1]), True)\n"
        "for _ in sys.stdin: print(switch.get(), flush=True)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        switch = Switch(tmp_path, True)
        for position in (True, False, True):
            switch.set(position)
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == f"{position}\n"


def test_of_many_who_turn_it_off_one_was_the_first(tmp_path: Path) -> None:
    before: list[bool] = []
    threads = [threading.Thread(target=lambda: before.append(Switch(tmp_path, True).set(False))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(before) == [False] * 7 + [True]


@pytest.mark.parametrize("damage", [b"", b"maybe\n", b"\xff\xff\xff", b"off"])
def test_damaged_file_is_logged_once_and_the_default_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    (tmp_path / FILE).write_bytes(damage)
    switch = Switch(tmp_path, True)
    with caplog.at_level(logging.ERROR):
        assert [switch.get(), switch.get()] == [True, True]
    (message,) = [each.getMessage() for each in caplog.records]
    assert message == f"{tmp_path / FILE}: damaged, it should say on or off; the configured on holds"
    assert switch.set(False) is True
    assert switch.get() is False


def test_unreadable_file_is_logged_and_the_default_holds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).mkdir()
    assert Switch(tmp_path, False).get() is False
    assert f"{tmp_path / FILE}: Is a directory; the configured off holds" in caplog.text


def test_file_removed_brings_back_the_default(tmp_path: Path) -> None:
    switch = Switch(tmp_path, True)
    switch.set(False)
    (tmp_path / FILE).unlink()
    assert switch.get() is True


def test_set_that_fails_is_told_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    switch = Switch(tmp_path / "state", True)
    (tmp_path / "state" / FILE).mkdir()
    with pytest.raises(SwitchError, match=re.escape(f"{tmp_path / 'state' / FILE}: ")):
        switch.set(False)
    assert switch.get() is True
    assert os.listdir(tmp_path / "state") == [FILE]
    with pytest.raises(SwitchError):
        switch.set(False)


def test_state_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    switch = Switch(tmp_path / "state", True)
    assert switch.get() is True
    with pytest.raises(SwitchError, match="Not a directory"):
        switch.set(False)

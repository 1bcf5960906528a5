from __future__ import annotations

from pathlib import Path

import pytest

from lightspeed_stack.optout import OptOutError, OptOuts


def test_nobody_has_opted_out_at_first(tmp_path: Path) -> None:
    assert not OptOuts(tmp_path).has("alice")
    assert list(tmp_path.iterdir()) == []


def test_one_user_and_no_other(tmp_path: Path) -> None:
    OptOuts(tmp_path).set("alice", True)
    assert OptOuts(tmp_path).has("alice")
    assert not OptOuts(tmp_path).has("bob")


def test_twice_is_as_good_as_once(tmp_path: Path) -> None:
    wishes = OptOuts(tmp_path)
    for opted_out in (True, True, False, False):
        wishes.set("alice", opted_out)
        assert wishes.has("alice") is opted_out


@pytest.mark.parametrize("user_id", ["", ".", "../../etc/passwd", "a/b", "x" * 1000, "\ud800", "ř"])
def test_any_user_id(tmp_path: Path, user_id: str) -> None:
    OptOuts(tmp_path).set(user_id, True)
    assert OptOuts(tmp_path).has(user_id)
    assert len(list((tmp_path / "opted-out").iterdir())) == 1


def test_a_wish_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "opted-out").write_text("in the way")
    with pytest.raises(OptOutError, match="opted-out"):
        OptOuts(tmp_path).set("alice", True)


def test_who_cannot_be_looked_up_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "opted-out").write_text("in the way")
    assert OptOuts(tmp_path).has("alice")

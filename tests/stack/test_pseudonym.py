"""Pseudonyms: stable, joinable, unreadable; and a secret that is never silently another one."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lightspeed_stack.pseudonym import FILE, Pseudonym, PseudonymError


def test_hmac_is_keyed_with_the_secret_of_the_installation(tmp_path: Path) -> None:
    word = Pseudonym("hmac", tmp_path).of("alice")
    secret = (tmp_path / FILE).read_bytes()
    assert len(secret) == 32
    assert word == hmac.new(secret, b"alice", hashlib.sha256).hexdigest()


def test_same_user_has_the_same_pseudonym_after_a_restart(tmp_path: Path) -> None:
    assert Pseudonym("hmac", tmp_path).of("žofie") == Pseudonym("hmac", tmp_path).of("žofie")
    assert Pseudonym("hmac", tmp_path).of("žofie") != Pseudonym("hmac", tmp_path).of("alice")


def test_another_installation_has_other_pseudonyms(tmp_path: Path) -> None:
    assert Pseudonym("hmac", tmp_path / "a").of("alice") != Pseudonym("hmac", tmp_path / "b").of("alice")


def test_sha256_and_none_need_no_secret(tmp_path: Path) -> None:
    assert Pseudonym("sha256", tmp_path).of("alice") == hashlib.sha256(b"alice").hexdigest()
    assert Pseudonym("none", tmp_path).of("alice") == "alice"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", ["hmac", "sha256"])
@pytest.mark.parametrize("user_id", ["", "\ud800", "\0", "a" * 100_000])
def test_any_string_is_a_user_id(tmp_path: Path, mode: str, user_id: str) -> None:
    assert re.fullmatch("[0-9a-f]{64}", Pseudonym(mode, tmp_path).of(user_id))


def test_secret_is_for_the_daemon_alone_and_no_draft_stays(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Pseudonym("hmac", tmp_path / "state")
    finally:
        os.umask(before)
    assert os.listdir(tmp_path / "state") == [FILE]
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o7777 == 0o600


def test_secret_is_not_shown(tmp_path: Path) -> None:
    pseudonym = Pseudonym("hmac", tmp_path)
    secret = (tmp_path / FILE).read_bytes()
    assert repr(secret)[2:-1] not in repr(pseudonym)
    assert secret.hex() not in repr(pseudonym)


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 32, b"x" * 33])
def test_damaged_secret_is_an_error_and_stays_as_it_is(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    with pytest.raises(PseudonymError, match=re.escape(f"{tmp_path / FILE}: damaged")):
        Pseudonym("hmac", tmp_path)
    assert (tmp_path / FILE).read_bytes() == damage


def test_unreadable_secret_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(PseudonymError, match="Is a directory"):
        Pseudonym("hmac", tmp_path)


def test_state_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(PseudonymError, match=re.escape(str(tmp_path / "state"))):
        Pseudonym("hmac", tmp_path / "state")


def test_dangling_symlink_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to("nowhere")
    with pytest.raises(PseudonymError, match="No such file"):
        Pseudonym("hmac", tmp_path)


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lightspeed_stack.pseudonym import Pseudonym\n"
        "sys.stdin.readline(); print(Pseudonym('hmac', Path(sys.argv[1])).of('alice'))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "state")]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("\n")
        worker.stdin.flush()
    words = {worker.communicate()[0] for worker in workers}
    assert words == {Pseudonym("hmac", tmp_path / "state").of("alice") + "\n"}
    assert os.listdir(tmp_path / "state") == [FILE]

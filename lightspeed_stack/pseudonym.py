"""User ids as records show them: the same user always under the same word, which tells nobody who it is.

With `hmac` that is HMAC-SHA256 (RFC 2104) under a secret that is made in the state directory at first use and never
replaced: without it, records of before could not be joined with records of after.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import secrets
from contextlib import suppress
from pathlib import Path

from lightspeed_stack import durable

FILE = "user-id-secret"
REMEMBERED = 1024
_BYTES = 32


class PseudonymError(Exception):
    """The secret can't be made or is damaged; the message names the file and what to do."""


class Pseudonym:
    def __init__(self, mode: str, state_dir: Path) -> None:
        """`mode` is hmac, sha256 (unsalted: whoever has a list of the ids can look them up) or none (as they are)."""
        self._mode = mode
        self._secret = _read_or_make(state_dir) if mode == "hmac" else b""
        self._known = functools.lru_cache(REMEMBERED)(self._made)

    def of(self, user_id: str) -> str:
        """64 hexadecimal digits; under mode none, the user id."""
        return self._known(user_id)

    def _made(self, user_id: str) -> str:
        data = user_id.encode("utf-8", "surrogatepass")
        match self._mode:
            case "hmac":
                return hmac.digest(self._secret, data, "sha256").hex()
            case "sha256":
                return hashlib.sha256(data).hexdigest()
            case _:
                return user_id


def _read_or_make(state_dir: Path) -> bytes:
    path = state_dir / FILE
    try:
        if not path.exists():
            _make(state_dir)
        secret = path.read_bytes()
    except OSError as error:
        raise PseudonymError(f"{path}: {error.strerror}; it holds the secret that user ids are hashed with") from error
    if len(secret) != _BYTES or not any(secret):
        raise PseudonymError(
            f"{path}: damaged, it should hold {_BYTES} bytes. Restore it from a backup; "
            "if there is none, remove it: user ids will be hashed differently from then on"
        )
    return secret


def _make(state_dir: Path) -> None:
    """Make the secret; of several processes that do so at once the first wins."""
    durable.make(state_dir)
    directory = durable.Directory(state_dir)
    draft = f".{FILE}.{secrets.token_hex(4)}"
    directory.write(draft, secrets.token_bytes(_BYTES), 0o600)
    try:
        with suppress(FileExistsError):
            directory.link(draft, FILE)
    finally:
        directory.remove(draft)
    directory.sync()

"""Who does not want to be recorded: one empty file for each such user in the state directory.

It holds in every worker at once and after a restart; looking costs one stat. The files' names tell nobody who it is
unless they know the user ids.
"""

from __future__ import annotations

import functools
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from lightspeed_stack import durable

DIRECTORY = "opted-out"


class OptOutError(Exception):
    """The wish could not be kept, so it is as before; the message names the file and the reason."""


class OptOuts:
    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / DIRECTORY

    def has(self, user_id: str) -> bool:
        """Whether this user is not to be recorded; when that can't be told, they are not."""
        try:
            os.stat(f"{self._directory}/{_name(user_id)}")
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def set(self, user_id: str, opted_out: bool) -> None:
        """Keep the wish for good; raises OptOutError."""
        try:
            durable.make(self._directory)
            directory = durable.Directory(self._directory)
            if opted_out:
                directory.replace(_name(user_id), b"", 0o640)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(_name(user_id), dir_fd=directory.fd)
                directory.sync()
        except OSError as error:
            raise OptOutError(f"{self._directory}: {error.strerror}") from error


@functools.lru_cache(1024)
def _name(user_id: str) -> str:
    return hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()

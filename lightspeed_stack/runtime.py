"""The folder for what may be lost: one daemon's alone while it serves, and emptied when the next one begins.

It is held by flock(2) on the folder itself, so a daemon that was killed holds nothing and leaves nothing to be cleared
away. Workers have to `release` what they inherit: one that outlives its daemon must not keep the next from starting.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path


class Taken(Exception):
    """Another daemon has it; nothing was touched."""


class Runtime:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None

    def take(self) -> None:
        """Raises `Taken`, OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise Taken(f"another lightspeed-stack is running with {self.path}") from error
        except OSError:
            self.release()  # a file system without locks
        self._empty()

    def release(self) -> None:
        """Let go of it, but leave it as it is. A worker only drops its share: the daemon's stays."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def _empty(self) -> None:
        for child in self.path.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child, ignore_errors=True)
            else:
                with suppress(OSError):
                    child.unlink()

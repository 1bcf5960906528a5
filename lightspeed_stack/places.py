"""Whether there could be a folder where the configuration wants one: looks, and makes nothing.

What only the daemon's own user can tell, its rights, is left to the daemon.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from lightspeed_stack.daemon.config import ConfigError, Fault

_FURTHER_UP = (errno.ENOENT, errno.ENOTDIR)


def check(key: str, folder: Path) -> None:
    """Raises `ConfigError`, for `key`, when something else is there or on the way."""
    for path in (folder, *folder.parents):
        try:
            mode = path.stat().st_mode
        except PermissionError:
            return
        except OSError as error:
            if error.errno in _FURTHER_UP:
                continue
            raise ConfigError(Fault("", key, f"{path}: {error.strerror}")) from error
        if not stat.S_ISDIR(mode):
            raise ConfigError(Fault("", key, f"{path}: {os.strerror(errno.ENOTDIR)}"))
        return

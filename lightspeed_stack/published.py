"""What the collector publishes about its runs: the file that `data_collector.status_file` names, and nothing else of it.

The file is somebody else's: whatever is in it, reading it raises nothing.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

MAX_BYTES = 65536


class State(StrEnum):
    PUBLISHED = "published"
    UNCONFIGURED = "not configured"
    MISSING = "missing"
    UNREADABLE = "unreadable"


class Published(NamedTuple):
    state: State
    content: Mapping[str, Any] | None = None


def read(path: Path | None) -> Published:
    if path is None:
        return Published(State.UNCONFIGURED)
    try:
        content = json.loads(_bytes(path))
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()  # so that it can be told again
    except FileNotFoundError:
        return Published(State.MISSING)
    except (OSError, ValueError, RecursionError):
        return Published(State.UNREADABLE)
    return Published(State.PUBLISHED, content) if isinstance(content, dict) else Published(State.UNREADABLE)


def _bytes(path: Path) -> bytes:
    """Raises OSError for anything but a file, without waiting for it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a file")
        return file.read(MAX_BYTES)

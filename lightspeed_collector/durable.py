"""Files that are on the disk when the call returns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_PIECE = 1 << 20
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # somebody may have planted a link or a fifo there


def write_durably(path: Path, content: bytes | BinaryIO, mode: int) -> None:
    """Make or replace the contents of `path` and sync them; its name needs `sync_folder`."""
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags | _SAFELY, mode)) as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            while piece := content.read(_PIECE):
                file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, content: bytes, mode: int) -> None:
    """Readers see the old contents or the new, whole."""
    draft = path.with_name(f".{path.name}.draft")
    write_durably(draft, content, mode)
    os.chmod(draft, mode)
    os.rename(draft, path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

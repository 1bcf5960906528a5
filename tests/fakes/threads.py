"""A system that starts no thread: each would get a stack that no memory has room for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STACK_BYTES = 1 << 60


@contextmanager
def exhausted() -> Iterator[None]:
    """Within, whoever starts a thread in this process gets the RuntimeError that a limit of processes gives."""
    before = threading.stack_size(_STACK_BYTES)
    try:
        yield
    finally:
        threading.stack_size(before)

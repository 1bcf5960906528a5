"""Shows how far a run is: a bar on a terminal, the status line of systemd."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from lightspeed_stack.daemon.notify import Notifier

_WIDTH = 30
_EVERY_SECONDS = 0.1


class Progress:
    def __init__(self, notifier: Notifier, terminal: TextIO | None) -> None:
        """`terminal` is None where nobody looks."""
        self._notifier = notifier
        self._terminal = terminal
        self._total = 0
        self._sent = 0
        self._drawn_at = 0.0

    def begin(self, total: int) -> None:
        self._total = total

    def sent(self, records: int) -> None:
        """So many records were accepted so far."""
        self._sent = records
        self._notifier.status(f"Sent {records} of {self._total} records")
        self._draw("")

    def uploaded(self, archive_bytes: int) -> None:
        """So many bytes of the present archive were handed to the network."""
        if time.monotonic() - self._drawn_at >= _EVERY_SECONDS:
            self._draw(f" uploading {archive_bytes / 1e6:.1f} MB")

    def end(self) -> None:
        """Leave the line to whoever writes next."""
        if self._terminal and self._drawn_at:
            self._terminal.write("\x1b[K")
            self._terminal.flush()

    def _draw(self, what: str) -> None:
        if not self._terminal:
            return
        self._drawn_at = time.monotonic()
        done = min(1.0, self._sent / self._total) if self._total else 1.0
        bar = ("#" * round(done * _WIDTH)).ljust(_WIDTH, "-")
        # The cursor waits at the beginning, so that a line of the log replaces the bar.
        self._terminal.write(f"[{bar}] {self._sent}/{self._total} records{what}\x1b[K\r")
        self._terminal.flush()


def terminal(stream: TextIO = sys.stderr) -> TextIO | None:
    return stream if stream.isatty() else None

"""Threads as they are needed, and those there are when the system gives no more of them."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)


class Pool(ThreadPoolExecutor):
    _is_short = False

    def _adjust_thread_count(self) -> None:
        """Called with the work in the queue already, which any thread takes from there."""
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise
            if not self._is_short:
                self._is_short = True
                log.warning("no more than %d threads: the system starts no other", len(self._threads))

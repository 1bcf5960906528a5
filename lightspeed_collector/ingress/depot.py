"""Keeps each batch once and tells of it once: draft, intention, store, notification, in that order.

A repeat is known by its batch id and its bytes. Other bytes under a known id are kept beside the first, never instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lightspeed_collector.ingress import contract, draft
from lightspeed_collector.ingress.draft import Draft
from lightspeed_collector.ingress.notifications import Notifications
from lightspeed_collector.ingress.store import Store, StoreError, make_directory

log = logging.getLogger(__name__)

_LOCKS = 16


class Kept(NamedTuple):
    name: str
    is_repeat: bool
    is_conflict: bool


class Depot:
    """`state` is a directory of this host for drafts, intentions and locks; with a `Directory` on its file system."""

    def __init__(self, store: Store, notifications: Notifications, state: Path) -> None:
        self._store = store
        self._notifications = notifications
        self._state = state

    def check(self) -> None:
        """Raises `StoreError` when nothing could be kept."""
        make_directory(self._state)
        self._store.check(self._state)
        self._notifications.check()

    def draft(self, limit: int) -> Draft:
        return Draft(self._state, limit)

    def keep(self, batch_id: str, payload: Draft, notice: Mapping[str, Any], about: Mapping[str, str]) -> Kept:
        """Durable and told when it returns; raises `StoreError` or OSError when that can't be promised."""
        first, beside = contract.names(batch_id, payload.sha256)
        payload.sync()
        with self._lock(first):
            for name in (first, beside):
                held = self._store.digest(name)
                if held is None:
                    self._add(name, payload, {**notice, "conflicts_with": None if name == first else first}, about)
                elif held == payload.sha256:
                    self._notifications.tell(name, in_doubt=True)
                else:
                    continue
                return Kept(name, held is not None, name != first)
        raise StoreError(f"{first}: two kinds of other bytes with one digest prefix")

    def recover(self) -> None:
        """Tell what a crash left untold, and sweep up its drafts. Safe beside live uploads."""
        draft.sweep(self._state)
        for name in self._notifications.in_doubt():
            with self._lock(name):
                if self._store.digest(name) is None:
                    self._notifications.withdraw(name)
                else:
                    log.info("telling of %s, which was stored just before a crash", name)
                    self._notifications.tell(name, in_doubt=True)

    def _add(self, name: str, payload: Draft, notice: Mapping[str, Any], about: Mapping[str, str]) -> None:
        self._notifications.intend(name, {**notice, "url": self._store.url(name)})
        if not self._store.add(name, payload, about):
            raise StoreError(f"{name}: somebody else stored it at this moment")
        self._notifications.tell(name, in_doubt=False)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """One upload of a batch at a time, over all processes of this host."""
        number = hashlib.sha256(name.partition(".")[0].encode()).digest()[0] % _LOCKS
        descriptor = os.open(self._state / f".lock-{number:02}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

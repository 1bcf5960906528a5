"""Counters, gauges and histograms that add up over the daemon's workers: prometheus_client in its multiprocess mode.

With a directory each process keeps its values in files of its own there and every process shows the sum; without one
the values are the process's own. prometheus_client decides between the two by a variable of its module when a value
is made, and reads the directory from $PROMETHEUS_MULTIPROC_DIR whenever it opens a file, after a fork too. Both are
set here, so the daemon's environment and who imports what first don't matter; a process that forks has one directory.

What can't be measured is told in the log and disturbs nobody. Metrics without labels are made at the start: one that
can't be made then is missing as long as the process lives.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

Mode = Literal["livemax", "livesum", "mostrecent"]
T = TypeVar("T")

ROOM_BYTES = 1 << 20  # the values of one metric take a page or two

log = logging.getLogger(__name__)


class Family(Generic[T]):
    """A metric by its label values; the instrument for new ones is made when they are first met."""

    def __init__(self, make: Callable[[tuple[str, ...]], T | None], otherwise: T) -> None:
        """`otherwise` stands in where `make` fails, which is tried again."""
        self._make = make
        self._otherwise = otherwise
        self._made: dict[tuple[str, ...], T] = {}

    def at(self, *labels: str) -> T:
        made = self._made.get(labels)
        if made is None:
            made = self._make(labels)
            if made is None:
                return self._otherwise
            self._made[labels] = made
        return made


class Instruments:
    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._value_class: Any = values.MutexValue if directory is None else _per_process()
        self._lock = threading.Lock()
        self._registry = CollectorRegistry()
        self._failures: set[str | None] = set()

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Family[Counter]:
        return self._family(lambda: Counter(name, text, labels, registry=self._registry), labels)

    def gauge(self, name: str, text: str, labels: Sequence[str], mode: Mode) -> Family[Gauge]:
        """`mode` says what the workers' values make together; the live ones forget a worker that has exited."""
        return self._family(lambda: Gauge(name, text, labels, registry=self._registry, multiprocess_mode=mode), labels)

    def histogram(self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Family[Histogram]:
        return self._family(lambda: Histogram(name, text, labels, buckets=buckets, registry=self._registry), labels)

    def render(self) -> tuple[bytes, str]:
        """Everything that was measured, in Prometheus' text format, and its content type."""
        return generate_latest(self._everything()), CONTENT_TYPE_LATEST

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        families = self._everything().collect()
        return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]

    def _family(self, create: Callable[[], Any], labels: Sequence[str]) -> Family[Any]:
        if labels:
            metric = create()
            return Family(lambda labelled: self._chosen(lambda: metric.labels(*labelled)), _UNMEASURED)
        metric = self._chosen(create) or _UNMEASURED
        return Family(lambda _: metric, metric)

    def _chosen(self, create: Callable[[], Any]) -> Any:
        with self._lock:
            values.ValueClass = self._value_class
            try:
                if self._directory:
                    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self._directory)
                    _need_room(self._directory)
                return create()
            except Exception as error:  # noqa: BLE001 - after a failure prometheus_client's files raise IndexError, too
                self._tell(error)
                return None

    def _tell(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else repr(error)
        if reason not in self._failures:
            self._failures.add(reason)
            log.warning("metrics are incomplete: %s: %s", self._directory, reason)

    def _everything(self) -> CollectorRegistry:
        shown = CollectorRegistry()
        PlatformCollector(shown)
        if self._directory:
            shown.register(_Shared(self._directory))
        else:
            ProcessCollector(registry=shown)
            GCCollector(shown)
            shown.register(self._registry)
        return shown


def _need_room(directory: Path) -> None:
    """The files are mapped into memory and have holes: to write where the disk is full kills the process."""
    if shutil.disk_usage(directory).free < ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Unmeasured:
    def inc(self, amount: float = 1) -> None: ...

    def dec(self, amount: float = 1) -> None: ...

    def set(self, value: float) -> None: ...

    def observe(self, amount: float) -> None: ...


_UNMEASURED = _Unmeasured()


class _Shared(Collector):
    """The sum over the files of all processes, but for those that are only just being made."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        files = [str(path) for path in self._directory.glob("*.db") if path.stat().st_size]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]  # has no types
        return merged


def clean(directory: Path) -> None:
    """Forget what an earlier run of the daemon measured; to be called once, before the first worker."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink()


def worker_exited(directory: Path, pid: int) -> None:
    """Take what was true only as long as that process lived out of the sums."""
    for path in directory.glob(f"gauge_live*_{pid}.db"):
        with suppress(FileNotFoundError):
            path.unlink()


def _per_process() -> Any:
    """prometheus_client asks for the process's id at every value: that is a call of the system, and here it is none."""
    known = [os.getpid()]
    os.register_at_fork(after_in_child=lambda: known.__setitem__(0, os.getpid()))
    return values.MultiProcessValue(lambda: known[0])  # type: ignore[no-untyped-call]  # has no types

"""When age may drop records: what was too old at every look for a while. Values only, no input or output.

Names tell when a record was written by a clock that may have been wrong, then or now. So age alone drops nothing at once:
a record has to stay too old for a tenth of the limit more, at most a week, as the machine's uptime shows it.
"""

from __future__ import annotations

from typing import NamedTuple

_LONGEST_SECONDS = 7 * 86400.0
_BELIEVED = 0.25
_NEVER = float("inf")


class Span(NamedTuple):
    """What was written between two moments, in seconds since the epoch."""

    first: float
    last: float


class Watch(NamedTuple):
    """Only what was written from `first` to `last` was there, and too old, at every look since the watch `began`.

    `passed` are the seconds since the first look ever, and `began` is one of them; `now` and `uptime` are the last look's.
    """

    max_age: float
    passed: float
    now: float
    uptime: float
    began: float
    first: float
    last: float

    @property
    def left(self) -> float:
        """The seconds until the watch is over."""
        return self.began + _patience(self.max_age) - self.passed

    @property
    def too_old(self) -> Span | None:
        """What may be dropped, None as long as the watch goes on."""
        return None if self.left > 0 else Span(self.first, self.last)


def look(watch: Watch | None, now: float, uptime: float, max_age: float) -> Watch:
    """The watch, one look later: what is not too old now is out of it."""
    if watch is None:
        return Watch(max_age, 0.0, now, uptime, 0.0, _NEVER, now - max_age)
    passed = watch.passed + _passed(watch, now, uptime, _patience(max_age))
    return Watch(max_age, passed, now, uptime, watch.began, watch.first, min(watch.last, now - max_age))


def after(watch: Watch, oldest: float | None) -> Watch:
    """The watch to remember when a run leaves `oldest` behind (None: nothing); a new one if it was over."""
    first = _NEVER if oldest is None else oldest
    if watch.passed == watch.began or watch.left <= 0:
        return watch._replace(began=watch.passed, first=first, last=watch.now - watch.max_age)
    return watch._replace(first=max(watch.first, first))


def _patience(max_age: float) -> float:
    return min(max_age / 10, _LONGEST_SECONDS)


def _passed(watch: Watch, now: float, uptime: float, patience: float) -> float:
    """The seconds between two looks: those that the uptime shows, and of what the clock says beyond that a part."""
    shown = uptime - watch.uptime if uptime >= watch.uptime else uptime
    return shown + min(max(0.0, now - watch.now - shown), patience * _BELIEVED)

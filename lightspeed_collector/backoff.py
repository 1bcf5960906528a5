"""When to try again: waits that grow and are jittered, Retry-After obeyed, about a minute in all. Values only."""

from __future__ import annotations

from datetime import UTC, datetime

TRIES = 5
PATIENCE_SECONDS = 60.0
MAX_HOLD_SECONDS = 86400.0


def wait(failures: int, first: float, spread: float, retry_after: float | None, elapsed: float) -> float | None:
    """Seconds to wait after so many failures in a row, None to give up.

    `spread` is a random number in [0, 1); `elapsed` counts the seconds since the first of the failures began.
    """
    seconds = max(first * 2 ** (failures - 1) * (0.5 + spread / 2), retry_after or 0.0)
    return None if failures >= TRIES or elapsed + seconds > PATIENCE_SECONDS else seconds


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header (RFC 9110, 10.2.3) asks for, at most a day; None for nonsense."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:18]), MAX_HOLD_SECONDS)
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        seconds = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_HOLD_SECONDS)


def at(moment: float) -> str:
    """A time for people."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector import backoff

NOW = datetime(2025, 8, 4, 12, tzinfo=UTC).timestamp()


@given(st.integers(1, 4), st.floats(0.001, 3), st.floats(0, 0.999))
def test_waits_grow_and_are_jittered(failures: int, first: float, spread: float) -> None:
    wait = backoff.wait(failures, first, spread, None, 0)
    assert wait is not None
    assert first * 2 ** (failures - 1) / 2 <= wait <= first * 2 ** (failures - 1)


def test_after_some_failures_it_gives_up() -> None:
    assert backoff.wait(backoff.TRIES, 1, 0.5, None, 0) is None


def test_about_a_minute_is_all() -> None:
    assert backoff.wait(1, 1, 0.5, None, 59.9) is None
    assert backoff.wait(1, 1, 0.5, 30, 20) == 30
    assert backoff.wait(1, 1, 0.5, 41, 20) is None


def test_retry_after_never_shortens_a_wait() -> None:
    assert backoff.wait(3, 4, 0, 1, 0) == 8


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Mon, 04 Aug 2025 12:05:00 GMT", 300),
        ("Mon, 04 Aug 2025 11:00:00 GMT", 0),
        ("Monday, 04-Aug-25 12:05:00 GMT", 300),
        ("999999999999999999999999", backoff.MAX_HOLD_SECONDS),
        ("Fri, 01 Jan 2100 00:00:00 GMT", backoff.MAX_HOLD_SECONDS),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("\u0661\u0662", None),
        ("Mon, 99 Foo 2025 99:99:99 GMT", None),
    ],
)
def test_retry_after_in_both_forms_and_nonsense(value: str | None, seconds: float | None) -> None:
    assert backoff.retry_after(value, NOW) == seconds


@given(st.text())
def test_no_header_is_too_odd(value: str) -> None:
    found = backoff.retry_after(value, NOW)
    assert found is None or 0 <= found <= backoff.MAX_HOLD_SECONDS

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector.age import Span
from lightspeed_collector.batch import Identity
from lightspeed_collector.retention import Entry, Limits, surplus

NOW = datetime(2025, 8, 10, tzinfo=UTC).timestamp()


def entry(age: float, size: int = 100, time: str = "") -> Entry:
    written = time or datetime.fromtimestamp(NOW - age, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return Entry(f"transcripts/{written}_a_00000000.json", Identity(2, size, 3))


def older_than(age: float) -> Span:
    return Span(0.0, NOW - age)


def dropped(entries: list[Entry], limits: Limits) -> list[tuple[Entry, str]]:
    total = sum(one.identity.size for one in entries)
    return [(one.entry, one.reason) for one in surplus(entries, total, limits)]


def test_nothing_is_dropped_without_limits() -> None:
    assert dropped([entry(1e9), entry(1)], Limits(None, None)) == []


def test_records_over_the_age_are_dropped() -> None:
    old, older, young = entry(101), entry(200), entry(99)
    assert dropped([older, old, young], Limits(None, older_than(100))) == [
        (older, "max_record_age"),
        (old, "max_record_age"),
    ]


def test_oldest_records_are_dropped_until_the_rest_fits() -> None:
    entries = [entry(age) for age in (5, 4, 3, 2, 1)]
    assert [one for one, _ in dropped(entries, Limits(250, None))] == entries[:3]
    assert dropped(entries, Limits(500, None)) == []


def test_limit_of_nothing_drops_all() -> None:
    entries = [entry(2), entry(1)]
    assert [one for one, _ in dropped(entries, Limits(0, None))] == entries


def test_record_from_the_future_is_not_old() -> None:
    assert dropped([entry(-1e6)], Limits(None, older_than(1))) == []


def test_date_that_no_calendar_has_has_no_age() -> None:
    odd, old = entry(0, time="20250230T000000.000000Z"), entry(200)
    assert [one for one, _ in dropped([odd, old], Limits(None, older_than(100)))] == [old]


def test_record_from_before_the_span_is_passed_over() -> None:
    odd, old, young = entry(1e6), entry(200), entry(99)
    assert [one for one, _ in dropped([odd, old, young], Limits(None, Span(NOW - 300, NOW - 100)))] == [old]


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=30),
    st.integers(0, 5000),
    st.integers(0, 1000),
)
def test_what_is_left_keeps_both_limits_and_nothing_more_is_dropped(
    records: list[tuple[int, int]], max_bytes: int, max_age: int
) -> None:
    entries = [entry(age, size) for age, size in sorted(records, reverse=True)]
    gone = [one for one, _ in dropped(entries, Limits(max_bytes, older_than(max_age)))]
    left = entries[len(gone) :]
    assert entries[: len(gone)] == gone
    assert sum(one.identity.size for one in left) <= max_bytes
    if gone:
        kept_one_more = [gone[-1], *left]
        too_much = sum(one.identity.size for one in kept_one_more) > max_bytes
        assert too_much or gone[-1] in [one for one, reason in dropped(entries, Limits(None, older_than(max_age)))]

"""The watch on ages, over any history of looks."""

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector.age import Span, Watch, after, look

DAY = 86400.0
MAX_AGE = 30 * DAY
PATIENCE = 3 * DAY
START = 2e9


def looks(*steps: tuple[float, float, float | None]) -> list[Watch]:
    """Each step: the clock, the uptime, what is the oldest afterwards. The watch as it was before each was remembered."""
    seen, kept = [], None
    for now, uptime, oldest in steps:
        seen.append(look(kept, now, uptime, MAX_AGE))
        kept = after(seen[-1], oldest)
    return seen


@given(st.floats(1, 1e10), st.floats(0, 1e8))
def test_first_look_drops_nothing(now: float, uptime: float) -> None:
    assert look(None, now, uptime, MAX_AGE).too_old is None


def test_what_stays_too_old_is_told_when_the_watch_is_over() -> None:
    *early, last = looks(*((START + hours * 3600, hours * 3600.0, 1000.0) for hours in range(0, 73, 2)))
    assert [watch.too_old for watch in early] == [None] * len(early)
    assert last.too_old == Span(1000.0, START - MAX_AGE)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=3), st.integers(1, 20))
def test_clock_that_leaps_three_times_drops_nothing_within_the_day(leaps: list[float], looked: int) -> None:
    steps = [(START + leaps[number % len(leaps)] * (number < 3), number * 3600.0, 1000.0) for number in range(looked)]
    assert all(watch.too_old is None for watch in looks(*steps))


@given(st.floats(0, 1e10))
def test_time_that_the_machine_was_off_counts_in_part(away: float) -> None:
    _, back = looks((START, 9 * DAY, 1000.0), (START + away, 60.0, 1000.0))
    assert 60 <= back.passed <= 60 + PATIENCE / 4


@given(st.floats(-1e9, 1e9))
def test_one_right_look_is_enough_to_save_a_record(leap: float) -> None:
    """Whatever the clock says at the others."""
    written = START - DAY
    wrong = [(START + leap, number * DAY, written) for number in range(1, 5)]
    for watch in looks((START, 0.0, written), *wrong):
        assert watch.too_old is None or not watch.too_old.first <= written < watch.too_old.last


def test_what_is_older_than_all_that_was_there_came_later() -> None:
    *_, last = looks((START, 0.0, 5000.0), (START + DAY, DAY, 1000.0), (START + 4 * DAY, 4 * DAY, 1000.0))
    assert last.too_old == Span(5000.0, START - MAX_AGE)

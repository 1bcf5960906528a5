import random

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector import backlog
from lightspeed_collector.backlog import RUN, Backlog, Queue


def name(number: int) -> str:
    return f"20250804T165952.{number:06d}Z_a_00000000.json"


def test_members_come_by_age_whatever_the_order_they_were_added_in() -> None:
    numbers = list(range(backlog.RUN * 2 + 10))
    random.Random(1).shuffle(numbers)
    found = Backlog()
    for number in numbers:
        found.add("transcripts" if number % 2 else "feedback", name(number))
    expected = [f"{'transcripts' if number % 2 else 'feedback'}/{name(number)}" for number in sorted(numbers)]
    assert list(found) == expected
    assert len(found) == len(numbers)


def test_backlog_can_be_read_again() -> None:
    found = Backlog()
    found.add("feedback", name(1))
    assert list(found) == list(found) == [f"feedback/{name(1)}"]


def test_empty_backlog() -> None:
    assert (list(Backlog()), len(Backlog())) == ([], 0)


def test_members_of_one_name_come_by_storage() -> None:
    found = Backlog()
    for storage in ("transcripts", "feedback"):
        found.add(storage, name(1))
    assert list(found) == [f"feedback/{name(1)}", f"transcripts/{name(1)}"]


@given(st.lists(st.integers(), max_size=20), st.lists(st.integers(), max_size=5))
def test_what_is_put_back_comes_next(waiting: list[int], taken: list[int]) -> None:
    queue = Queue(str(number) for number in waiting)
    queue.put_back(*map(str, taken))
    assert list(queue) == list(map(str, taken + waiting))


def test_name_that_a_listing_shows_twice_is_there_once() -> None:
    found = Backlog()
    for name in ("b", "a", "b", *map(str, range(RUN)), "a"):
        found.add("transcripts", name)
    assert list(found) == [f"transcripts/{name}" for name in sorted({"a", "b", *map(str, range(RUN))})]


def test_looking_whether_a_queue_is_empty_takes_nothing() -> None:
    queue = Queue(iter(["a"]))
    assert not queue.is_empty()
    assert list(queue) == ["a"]
    assert queue.is_empty()

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector.batch import OVERHEAD, Room, stored_bytes

SIZES = st.lists(st.integers(0, 20_000), min_size=1, max_size=50)


def cut(sizes: list[int], room: Room) -> list[list[int]]:
    batches: list[list[int]] = [[]]
    for size in sizes:
        if not room.admits(size):
            room.empty()
            assert room.admits(size)
            batches.append([])
        batches[-1].append(size)
    return batches


@given(SIZES, st.integers(1024, 100_000))
def test_batches_of_several_records_stay_below_the_limit(sizes: list[int], limit: int) -> None:
    batches = cut(sizes, Room(limit))
    assert [size for batch in batches for size in batch] == sizes
    for batch in batches:
        assert len(batch) == 1 or sum(map(stored_bytes, batch)) + OVERHEAD <= limit


@given(SIZES, st.integers(1, 10))
def test_batches_stay_below_the_number_of_records(sizes: list[int], records: int) -> None:
    assert max(map(len, cut(sizes, Room(1 << 30, records)))) <= records


def test_first_record_always_fits() -> None:
    assert Room(1024).admits(1 << 40)


def test_narrowed_room_takes_fewer_until_it_is_widened() -> None:
    room = Room(1 << 30, 100)
    room.narrow(2)
    assert [len(batch) for batch in cut([1] * 5, room)] == [2, 2, 1]
    room.widen()
    room.empty()
    assert [len(batch) for batch in cut([1] * 5, room)] == [5]


def test_room_is_never_narrowed_to_nothing() -> None:
    room = Room(1 << 30)
    room.narrow(0)
    assert [len(batch) for batch in cut([1] * 2, room)] == [1, 1]


def test_stored_bytes_are_a_header_and_whole_blocks() -> None:
    assert [stored_bytes(size) for size in (0, 1, 512, 513)] == [512, 1024, 1024, 1536]

"""Records out of archives, sound and not."""

import gzip
import io
import os

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector.ingress.reading import Unsound, records
from tests.fakes.archives import archive, member

NAMES = [member(), member("feedback")]
BODY = archive(dict(zip(NAMES, [b"one", b""], strict=True)))


def read(body: bytes) -> tuple[list[tuple[str, bytes]], list[str]]:
    faults: list[str] = []
    found: list[tuple[str, bytes]] = []
    try:
        found.extend(
            (f"{record.kind}/{record.name}", b"".join(record.pieces))
            for record in records(io.BytesIO(body), faults.append)
        )
    except Unsound as error:
        faults.append(str(error))
    return found, faults


def test_records_come_in_the_order_of_the_archive() -> None:
    assert read(BODY) == ([(NAMES[0], b"one"), (NAMES[1], b"")], [])


def test_a_record_that_was_not_read_is_passed_over() -> None:
    assert [record.name for record in records(io.BytesIO(BODY), [].append)] == [name.split("/")[1] for name in NAMES]


def test_what_comes_before_a_fault_is_given() -> None:
    contents = [os.urandom(2000) for _ in range(50)]
    body = archive({member(): content for content in contents})
    found, faults = read(body[: len(body) // 2])
    assert [content for _, content in found] == contents[: len(found)]
    assert len(found) > 10
    assert len(faults) == 1


def test_a_record_that_claims_more_than_there_is_is_left_out() -> None:
    inner = bytearray(gzip.decompress(archive({NAMES[0]: b""})))
    inner[124:136] = b"77777777777\0"
    inner[148:156] = b" " * 8
    inner[148:156] = b"%06o\0 " % sum(inner[:512])
    found, faults = read(gzip.compress(bytes(inner)))
    assert found == []
    assert "can't be read to its end" in faults[0]


@given(st.integers(0, 5000), st.integers(1, 255), st.booleans())
def test_a_changed_byte_is_a_fault_or_nothing_and_never_worse(at: int, change: int, is_inside: bool) -> None:
    data = bytearray(gzip.decompress(BODY) if is_inside else BODY)
    data[at % len(data)] ^= change
    found, _ = read(gzip.compress(bytes(data), 1) if is_inside else bytes(data))
    assert len(found) <= 2

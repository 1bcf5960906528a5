import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector import record

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.booleans())
def test_every_json_object_is_a_record(value: dict[str, Any], ascii_only: bool) -> None:
    try:
        data = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        data = json.dumps(value).encode()
    assert record.fault(data) is None
    assert record.fault(b" \n" + data + b"\n ") is None


@given(st.dictionaries(st.text(min_size=1), JSON, min_size=1, max_size=3), st.data())
def test_no_part_of_a_record_is_one(value: dict[str, Any], data: st.DataObject) -> None:
    whole = json.dumps(value).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert record.fault(whole[:cut])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"   ", "not JSON"),
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        (b"null", "not an object"),
        (b'{"a": 1}{"b": 2}', "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"\x00" * 100, "not JSON"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_record_is_told_why(data: bytes, reason: str) -> None:
    assert reason in (record.fault(data) or "")


def test_reasons_hold_nothing_of_the_content() -> None:
    assert "secret" not in (record.fault(b'{"password": secret}') or "")


def test_huge_numbers_are_numbers() -> None:
    assert record.fault(b'{"a": ' + b"9" * 100_000 + b"}") is None


@pytest.mark.parametrize(
    ("first", "last", "fine"),
    [
        (b'{"a": "x', b'x"}', True),
        (b' \n{"a', b'"}\n ', True),
        (b"[1, 2", b"3]", False),
        (b'{"a": "x', b"xxx", False),
        (b"", b"", False),
    ],
)
def test_large_records_are_judged_by_their_edges(first: bytes, last: bytes, fine: bool) -> None:
    assert (record.edges_fault(first, last) is None) == fine

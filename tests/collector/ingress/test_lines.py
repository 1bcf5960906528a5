"""Records as lines of JSON."""

import io
import json

import pytest

from lightspeed_collector.ingress.lines import Lines, NoLine
from lightspeed_collector.ingress.reading import Record

ONE = Record("transcripts", "one.json", 30, [b'{"text": "\xc3\xbc\\n"', b', "n": 1.5}'])


def test_a_line_a_record() -> None:
    out = io.BytesIO()
    with Lines(out) as lines:
        assert lines.add(ONE, "a")
        assert not lines.add(ONE, "b")
        assert lines.add(ONE._replace(pieces=[b"[]"]), "b")
        assert not lines.has("a.tar.gz")
        lines.finish("a.tar.gz")
    first, second = out.getvalue().splitlines()
    assert json.loads(first) == {
        "kind": "transcripts",
        "name": "one.json",
        "batch_id": "a",
        "record": {"text": "\u00fc\n", "n": 1.5},
    }
    assert json.loads(second)["batch_id"] == "b"


def test_a_record_stands_there_as_it_was_written() -> None:
    out = io.BytesIO()
    content = b'\n{"big": 1e999, "long": 0.10000000000000000001,\r\n "twice": 1, "twice": 2}\n'
    with Lines(out) as lines:
        lines.add(ONE._replace(pieces=[content]), "a")
    assert out.getvalue().endswith(
        b'"record": {"big": 1e999, "long": 0.10000000000000000001,   "twice": 1, "twice": 2}}\n'
    )


@pytest.mark.parametrize("content", [b"", b"{", b"NaN", b"-Infinity", b"\xff\xfe\x00", b"[" * 50_000])
def test_what_is_no_json(content: bytes) -> None:
    out = io.BytesIO()
    with Lines(out) as lines, pytest.raises(NoLine, match=r"transcripts/one\.json"):
        lines.add(ONE._replace(pieces=[content]), "a")
    assert out.getvalue() == b""


def test_what_is_too_large_to_be_looked_through() -> None:
    out = io.BytesIO()
    with Lines(out) as lines, pytest.raises(NoLine, match=r"one\.json is too large for a line .*--to"):
        lines.add(ONE._replace(size=(128 << 20) + 1, pieces=[]), "a")
    assert out.getvalue() == b""

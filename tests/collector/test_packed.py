import zlib

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector.packed import pack, unpack

LINES = st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1)


@given(LINES)
def test_lines_come_back(lines: list[str]) -> None:
    assert unpack(pack(iter(lines))) == lines


@given(LINES)
def test_any_zlib_reads_them(lines: list[str]) -> None:
    assert zlib.decompress(pack(lines)).decode() == "\n".join(lines)


def test_names_take_little_room() -> None:
    names = [f"transcripts/20250804T165952.{number:06d}Z_ad14e9de_5f3a9c1e.json" for number in range(1000)]
    assert len(pack(names)) < 10_000

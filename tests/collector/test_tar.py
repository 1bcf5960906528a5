import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector import tar

MEMBERS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), min_size=1, max_size=130)


@given(MEMBERS, st.binary(max_size=3000), st.integers(-(2**31), 2**40))
def test_tarfile_reads_what_was_said(member: str, content: bytes, mtime: int) -> None:
    data = tar.header(member, len(content), mtime) + content + tar.padding(len(content)) + tar.END
    assert len(data) % tar.BLOCK == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        (info,) = archive.getmembers()
        extracted = archive.extractfile(info)
        assert extracted is not None
        assert extracted.read() == content
    assert (info.name, info.size, info.mtime) == (member, len(content), max(0, mtime))
    assert (info.mode, info.uid, info.gid, info.uname, info.gname) == (0o640, 0, 0, "", "")
    assert info.isreg()


def test_sizes_beyond_ustar_are_told() -> None:
    size = 8**11
    header = tar.header("transcripts/a.json", size, 0)
    info = tarfile.TarInfo.frombuf(header[-tar.BLOCK :], "ascii", "strict")
    assert f"size={size}".encode() in header or info.size == size

"""The check of an archive as it streams by, held against tarfile's own reading of it."""

import gzip
import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector.ingress.payload import MEMBER, Checker, Malformed
from tests.fakes.archives import archive, member, special

PLENTY = 1 << 30
NAMES = [member() for _ in range(4)]


def check(body: bytes, step: int = 1 << 16, most: int = PLENTY) -> int:
    checker = Checker(most)
    for at in range(0, len(body), step):
        checker.feed(body[at : at + step])
    return checker.finish()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("step", [1, 7, 512, 1 << 20])
def test_a_sound_archive_in_pieces_of_any_size(form: int, step: int) -> None:
    members = {member(): b"x" * size for size in (0, 1, 511, 512, 513, 5000)}
    assert check(archive(members, form), step) == 6


def test_an_empty_archive() -> None:
    assert check(archive({})) == 0


def test_gzip_in_several_members() -> None:
    inner = gzip.decompress(archive({member(): b"x" * 3000, member(): b"y"}))
    assert check(gzip.compress(inner[:1000]) + gzip.compress(inner[1000:])) == 2


def test_what_gnu_tar_makes(tmp_path: Path) -> None:
    name = member()
    (tmp_path / "transcripts").mkdir()
    (tmp_path / name).write_text("{}")
    for form in ("gnu", "pax", "ustar", "v7"):
        body = subprocess.run(
            ["tar", "-C", tmp_path, "-czf", "-", f"--format={form}", name], capture_output=True, check=True
        ).stdout
        assert check(body) == 1


def pax(headers: dict[str, str], name: str = "short") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.pax_headers = headers
        tar.addfile(info)
    return gzip.compress(packed.getvalue())


def test_the_name_in_an_extended_header_counts() -> None:
    assert check(pax({"path": member(), "mtime": "1.5"})) == 1
    with pytest.raises(Malformed, match="not the name of a record"):
        check(pax({"path": "../escape"}, name=member()))


def test_a_long_name_counts_and_for_one_member_only() -> None:
    long = "transcripts/" + "x" * 200
    with pytest.raises(Malformed, match="not the name of a record"):
        check(archive({long: b""}, tarfile.GNU_FORMAT))
    packed = archive({long: b""}, tarfile.PAX_FORMAT)
    with pytest.raises(Malformed, match="not the name of a record"):
        check(packed, 3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "cut short"),
        (b"nonsense" * 20, "not sound gzip"),
        (gzip.compress(b""), "cut short"),
        (gzip.compress(b"nonsense" * 200), "not a tar archive"),
        (gzip.compress(bytes(512) + b"\1" + bytes(511)), "follows its end"),
        (gzip.compress(bytes(600)), "cut short"),
        (archive({member(): b"{}"})[:-1], "cut short"),
        (archive({member(): b"{}"}) + b"trailing garbage", "not sound gzip"),
        (gzip.compress(gzip.decompress(archive({member(): b"x" * 2000}))[:2000]), "cut short"),
        (gzip.compress(gzip.decompress(archive({member(): b"x"}))[:1024]), "cut short"),
        (archive({"transcripts/x.json": b""}), "not the name of a record"),
        (archive({NAMES[0] + "\n": b""}), "not the name of a record"),
        (archive({"./" + NAMES[0]: b""}), "not the name of a record"),
        (special(tarfile.SYMTYPE), "not a regular file"),
        (special(tarfile.LNKTYPE), "not a regular file"),
        (special(tarfile.DIRTYPE), "not a regular file"),
        (special(tarfile.FIFOTYPE), "not a regular file"),
        (special(tarfile.GNUTYPE_SPARSE), "not a regular file"),
        (pax({"GNU.sparse.major": "1", "path": NAMES[0]}), "sparse"),
        (pax({"comment": "x" * 70_000}), "extended header is too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",
)
def test_what_is_unsound(body: bytes, reason: str) -> None:
    for step in (1 << 16, 5):
        with pytest.raises(Malformed, match=reason):
            check(body, step)


def test_a_bomb_is_left_early() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(Malformed, match="more than is reasonable"):
        check(bomb, most=1_000_000)


def listed(body: bytes) -> int | None:
    """What tarfile finds: the number of records, None when something is wrong."""
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
            members = tar.getmembers()
    except (tarfile.TarError, EOFError, OSError, ValueError):
        return None
    sound = all(MEMBER.fullmatch(info.name) and info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) for info in members)
    return len(members) if sound else None


@given(
    contents=st.lists(st.binary(max_size=1500), min_size=1, max_size=3),
    at=st.integers(0, 10_000),
    change=st.integers(1, 255),
    step=st.integers(1, 3000),
)
def test_what_passes_can_be_read_by_tarfile(contents: list[bytes], at: int, change: int, step: int) -> None:
    """A byte anywhere in the tar is changed: whatever still passes, tarfile reads to the end as well."""
    inner = bytearray(gzip.decompress(archive(dict(zip(NAMES, contents, strict=False)))))
    inner[at % len(inner)] ^= change
    body = gzip.compress(bytes(inner), 1)
    try:
        records = check(body, step)
    except Malformed:
        return
    assert listed(body) == records


@given(st.binary(max_size=3000), st.booleans())
def test_noise_is_malformed_and_nothing_worse(noise: bytes, is_zipped: bool) -> None:
    with pytest.raises(Malformed):
        check(gzip.compress(noise) if is_zipped else noise, 100)

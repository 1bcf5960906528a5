"""The reader against a directory in which anybody does anything."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightspeed_collector import spool as module
from lightspeed_collector.errors import SpoolError
from lightspeed_collector.large import Unsettled
from lightspeed_collector.spool import Gone, Spool

NAME = "20250804T165952.004143Z_ad14e9de_5f3a9c1e.json"
MEMBER = f"transcripts/{NAME}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "transcripts").mkdir()
    return tmp_path / "transcripts"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    with Spool({"transcripts": folder, "feedback": folder.parent / "feedback"}) as opened:
        yield opened


def found(spool: Spool) -> tuple[list[str], int]:
    scan = spool.scan(lambda: None)
    return list(scan.backlog), scan.strangers


def test_only_records_are_found(spool: Spool, folder: Path) -> None:
    for name in (NAME, f".{NAME}", f"{NAME}.tmp", "x.json", ".profile"):
        (folder / name).write_text("{}")
    assert found(spool) == ([MEMBER], 3)


def test_folder_can_be_listed_again(spool: Spool, folder: Path) -> None:
    (folder / NAME).write_text("{}")
    assert found(spool) == found(spool) == ([MEMBER], 0)


def test_what_is_no_regular_file_is_left_alone_under_any_name(spool: Spool, folder: Path) -> None:
    names = [NAME.replace("5f3a9c1e", f"{number:08x}") for number in range(5)]
    (folder / names[0]).mkdir()
    os.mkfifo(folder / names[1])
    (folder / names[2]).symlink_to("/etc/passwd")
    (folder / names[3]).symlink_to("nowhere")
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(folder)
    try:
        server.bind(names[4])
    finally:
        os.chdir(here)
        server.close()
    assert found(spool) == ([], 5)
    for name in names:
        with pytest.raises(Gone):
            spool.read(f"transcripts/{name}")
        assert spool.look(f"transcripts/{name}") is None


def test_names_that_are_no_utf_8_are_strangers(spool: Spool, folder: Path) -> None:
    with open(os.fsencode(folder) + b"/20250804T165952.004143Z_\xff\xfe_5f3a9c1e.json", "wb") as file:
        file.write(b"{}")
    assert found(spool) == ([], 1)


def test_missing_folder_is_an_empty_one(tmp_path: Path) -> None:
    with Spool({"transcripts": tmp_path / "nowhere"}) as spool:
        assert found(spool) == ([], 0)
        assert spool.look(MEMBER) is None
        with pytest.raises(Gone):
            spool.read(MEMBER)


def test_folder_that_is_a_file_is_told_and_the_other_is_read(folder: Path, tmp_path: Path) -> None:
    (folder / NAME).write_text("{}")
    (tmp_path / "file").write_text("")
    told: list[SpoolError] = []
    with Spool({"feedback": tmp_path / "file", "transcripts": folder}, told.append) as spool:
        assert found(spool) == ([MEMBER], 0)
    assert str(tmp_path / "file") in str(told[0])


def test_storage_that_is_a_link_to_a_folder_is_followed(folder: Path, tmp_path: Path) -> None:
    (folder / NAME).write_text("{}")
    (tmp_path / "link").symlink_to(folder)
    with Spool({"transcripts": tmp_path / "link"}) as spool:
        assert found(spool) == ([MEMBER], 0)


def test_record_is_read_whole(spool: Spool, folder: Path) -> None:
    (folder / NAME).write_bytes(b'{"a": 1}')
    record = spool.read(MEMBER)
    assert record.data == b'{"a": 1}'
    assert record.entry.identity == spool.look(MEMBER)


def test_empty_record_is_read(spool: Spool, folder: Path) -> None:
    (folder / NAME).write_bytes(b"")
    assert spool.read(MEMBER).data == b""


def test_large_record_is_an_open_file(spool: Spool, folder: Path) -> None:
    content = os.urandom(module.LARGE + 1)
    (folder / NAME).write_bytes(content)
    record = spool.read(MEMBER)
    assert record.data is None
    assert record.large is not None
    assert b"".join(record.large.pieces()) == content
    record.large.close()


def test_sparse_record_that_pretends_to_be_large_takes_no_memory(spool: Spool, folder: Path) -> None:
    (folder / NAME).touch()
    os.truncate(folder / NAME, 1 << 40)
    record = spool.read(MEMBER)
    assert record.large is not None
    record.large.close()


def test_proc_like_file_whose_size_is_a_lie_is_unsettled(tmp_path: Path) -> None:
    """The size is 0 and the contents are not."""
    with Spool({"transcripts": Path("/proc/self")}) as spool, pytest.raises(Unsettled):
        spool.read("transcripts/stat")


def test_record_is_deleted_while_it_is_the_same(spool: Spool, folder: Path) -> None:
    (folder / NAME).write_bytes(b"{}")
    entry = spool.read(MEMBER).entry
    assert spool.delete(entry)
    assert not spool.delete(entry)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("change", ["replaced", "grown", "touched", "a folder now"])
def test_record_that_changed_is_not_deleted(spool: Spool, folder: Path, change: str) -> None:
    path = folder / NAME
    path.write_bytes(b"{}")
    entry = spool.read(MEMBER).entry
    if change == "grown":
        path.write_bytes(b"{ }")
    elif change == "touched":
        os.utime(path, (1, 1))
    else:
        path.rename(folder / "kept")
        path.mkdir() if change == "a folder now" else path.write_bytes(b"{}")
    assert not spool.delete(entry)
    assert path.exists()


def test_hard_links_are_records_of_their_own(spool: Spool, folder: Path) -> None:
    other = NAME.replace("5f3a9c1e", "5f3a9c1f")
    (folder / NAME).write_bytes(b"{}")
    os.link(folder / NAME, folder / other)
    entries = [spool.read(member).entry for member in found(spool)[0]]
    assert [spool.delete(entry) for entry in entries] == [True, True]
    assert list(folder.iterdir()) == []


def test_folder_replaced_meanwhile_is_not_mixed_with_its_successor(spool: Spool, folder: Path) -> None:
    (folder / NAME).write_bytes(b"{}")
    entry = spool.read(MEMBER).entry
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    (folder / NAME).write_bytes(b'{"new": 1}')
    assert spool.delete(entry)
    assert (folder / NAME).read_bytes() == b'{"new": 1}'


def test_pause_can_end_a_scan_and_the_next_begins_anew(spool: Spool, folder: Path) -> None:
    (folder / NAME).write_bytes(b"{}")

    def pause() -> None:
        raise TimeoutError

    with pytest.raises(SpoolError):
        spool.scan(pause)
    assert found(spool) == ([MEMBER], 0)


def test_requests_are_found(spool: Spool, folder: Path) -> None:
    (folder / ".forget_ad14e9de_00000001").touch()
    (folder / ".forget_ad14e9de_00000002").mkdir()
    scan = spool.scan(lambda: None)
    assert scan.requests == [("transcripts", ".forget_ad14e9de_00000001")]
    assert scan.strangers == 1

"""A directory as a store. What every store does is tested here for both kinds; a bucket's own traits in test_s3."""

from pathlib import Path

import pytest

from lightspeed_collector.ingress.draft import Draft
from lightspeed_collector.ingress.store import Directory, Store, StoreError, open_store
from tests.fakes.s3 import S3


@pytest.fixture(params=["directory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "directory":
        made = open_store(str(tmp_path / "store"))
    else:
        s3: S3 = request.getfixturevalue("s3")
        for name, value in s3.environ.items():
            monkeypatch.setenv(name, value)
        made = open_store(s3.new_place())
    made.check(tmp_path)
    return made


def add(store: Store, name: str, content: bytes, folder: Path) -> bool:
    with Draft(folder, 1 << 20) as draft:
        draft.write(content)
        draft.sync()
        return store.add(name, draft, {"batch-id": "x"})


def read(store: Store, name: str) -> bytes:
    with store.open(name) as file:
        return file.read()


def test_what_is_added_is_there(store: Store, tmp_path: Path) -> None:
    assert store.digest("a.tar.gz") is None
    assert add(store, "a.tar.gz", b"content", tmp_path)
    assert read(store, "a.tar.gz") == b"content"
    assert store.digest("a.tar.gz") == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert store.url("a.tar.gz").endswith("/a.tar.gz")


def test_nothing_is_written_over(store: Store, tmp_path: Path) -> None:
    assert add(store, "a.tar.gz", b"first", tmp_path)
    assert not add(store, "a.tar.gz", b"second", tmp_path)
    assert read(store, "a.tar.gz") == b"first"


def test_names_come_in_order(store: Store, tmp_path: Path) -> None:
    for name in ("b.tar.gz", "a.tar.gz", "c.tar.gz", "notes.txt", ".hidden.tar.gz"):
        add(store, name, b"x", tmp_path)
    assert list(store.names()) == ["a.tar.gz", "b.tar.gz", "c.tar.gz"]


def test_what_is_not_there_cannot_be_opened(store: Store) -> None:
    with pytest.raises(StoreError, match=r"nothing\.tar\.gz"), store.open("nothing.tar.gz"):
        pass


class TestDirectory:
    def test_a_link_in_the_way_is_never_followed(self, tmp_path: Path) -> None:
        store = Directory(tmp_path / "store")
        store.check(tmp_path)
        (tmp_path / "store" / "a.tar.gz").symlink_to(tmp_path / "elsewhere")
        assert not add(store, "a.tar.gz", b"x", tmp_path)
        assert not (tmp_path / "elsewhere").exists()

    def test_one_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="file"):
            Directory(tmp_path / "file" / "store").check(tmp_path)

    def test_one_that_went_away(self, tmp_path: Path) -> None:
        store = Directory(tmp_path / "nowhere")
        with pytest.raises(StoreError):
            add(store, "a.tar.gz", b"x", tmp_path)
        with pytest.raises(StoreError):
            list(store.names())

    def test_only_owner_and_group_may_look(self, tmp_path: Path) -> None:
        Directory(tmp_path / "store").check(tmp_path)
        assert list((tmp_path / "store").iterdir()) == []
        assert (tmp_path / "store").stat().st_mode & 0o007 == 0

"""One line a payload, whatever a crash left behind."""

import json
import threading
from pathlib import Path

import pytest

from lightspeed_collector.ingress.notifications import Notifications


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "notifications.jsonl"


@pytest.fixture
def notifications(file: Path, tmp_path: Path) -> Notifications:
    made = Notifications(file, tmp_path / "intentions")
    made.check()
    return made


def lines(file: Path) -> list[object]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_intention_becomes_a_line(notifications: Notifications, file: Path) -> None:
    notifications.intend("a.tar.gz", {"n": 1})
    assert notifications.in_doubt() == ["a.tar.gz"]
    assert not file.exists()
    notifications.tell("a.tar.gz", in_doubt=False)
    assert notifications.in_doubt() == []
    assert lines(file) == [{"n": 1}]


def test_without_an_intention_nothing_is_told(notifications: Notifications, file: Path) -> None:
    notifications.tell("a.tar.gz", in_doubt=True)
    assert not file.exists()


def test_a_line_in_doubt_is_told_once(notifications: Notifications, file: Path) -> None:
    """The crash came after the line was written, before the intention was withdrawn."""
    for name in "ab":
        notifications.intend(name, {"name": name})
        notifications.tell(name, in_doubt=False)
    notifications.intend("a", {"name": "a"})
    notifications.tell("a", in_doubt=True)
    assert lines(file) == [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize("torn", ['{"n": 0}\n{"n": 1', '{"n": 0}\n{', '{"n": 0}\n'])
def test_a_torn_line_is_cut_off(notifications: Notifications, file: Path, torn: str) -> None:
    file.write_text(torn)
    notifications.intend("a", {"n": 1})
    notifications.tell("a", in_doubt=True)
    assert lines(file) == [{"n": 0}, {"n": 1}]


def test_nothing_but_a_torn_line(notifications: Notifications, file: Path) -> None:
    file.write_text('{"n"')
    notifications.intend("a", {"n": 1})
    notifications.tell("a", in_doubt=True)
    assert lines(file) == [{"n": 1}]


def test_a_torn_intention_tells_nothing(notifications: Notifications, file: Path, tmp_path: Path) -> None:
    (tmp_path / "intentions" / "a.json").write_bytes(b'{"n": ')
    notifications.tell("a", in_doubt=True)
    assert notifications.in_doubt() == []
    assert not file.exists()


def test_a_file_that_was_rotated_away_is_begun_anew(notifications: Notifications, file: Path) -> None:
    for number in range(2):
        notifications.intend("a", {"n": number})
        notifications.tell("a", in_doubt=False)
        file.rename(file.with_suffix(f".{number}"))
    assert [lines(file.with_suffix(f".{number}")) for number in range(2)] == [[{"n": 0}], [{"n": 1}]]


def test_many_at_once(notifications: Notifications, file: Path) -> None:
    def tell(number: int) -> None:
        notifications.intend(str(number), {"n": number, "long": "x" * 5000})
        notifications.tell(str(number), in_doubt=bool(number % 2))

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads(line)["n"] for line in file.read_text().splitlines()) == list(range(20))


def test_a_disk_that_is_full_leaves_no_torn_line(tmp_path: Path) -> None:
    full = Notifications(Path("/dev/full"), tmp_path / "intentions")
    full.check()
    full.intend("a", {"n": 1})
    with pytest.raises(OSError, match="No space"):
        full.tell("a", in_doubt=False)
    assert full.in_doubt() == ["a"]

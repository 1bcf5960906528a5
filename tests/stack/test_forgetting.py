from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lightspeed_stack import errors
from lightspeed_stack.conversations import Conversations, Turn
from lightspeed_stack.forgetting import Forgetting
from lightspeed_stack.spool import Spool

ID = "ad14e9de-72d6-42a3-98bf-017e9c0a6b89"
OTHER = "bd14e9de-72d6-42a3-98bf-017e9c0a6b89"


@pytest.fixture
def conversations(tmp_path: Path) -> Conversations:
    made = Conversations(f"sqlite:///{tmp_path}/c.db")
    now = datetime.now(UTC)
    for identity in (ID, OTHER):
        made.remember(identity, "alice", Turn("q", "a", "p", "m", now, now))
    return made


def test_one_conversation_and_no_other(conversations: Conversations, tmp_path: Path) -> None:
    spools = [Spool(tmp_path / name, 0) for name in ("transcripts", "feedback")]
    for spool in spools:
        spool.put(ID, b"{}", datetime.now(UTC))
    Forgetting(conversations, spools).forget(ID)
    assert conversations.get(ID) is None
    assert conversations.get(OTHER) is not None
    assert [len(list(spool.directory.glob(f".forget_{ID}_*"))) for spool in spools] == [2, 2]
    assert [len(list(spool.directory.glob("*.json"))) for spool in spools] == [1, 1], "only the reader removes"


def test_without_records_there_is_nothing_to_ask_for(conversations: Conversations, tmp_path: Path) -> None:
    Forgetting(conversations, [Spool(tmp_path / "transcripts", 0)]).forget(ID)
    assert conversations.get(ID) is None
    assert not (tmp_path / "transcripts").exists()


def test_when_records_cannot_be_withdrawn_the_conversation_stays(conversations: Conversations, tmp_path: Path) -> None:
    (tmp_path / "transcripts").write_text("in the way")
    with pytest.raises(errors.StorageFailed, match="could not be withdrawn"):
        Forgetting(conversations, [Spool(tmp_path / "transcripts", 0)]).forget(ID)
    assert conversations.get(ID) is not None


def test_a_storage_that_is_switched_off_and_cannot_be_reached_holds_none(
    conversations: Conversations, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    unreachable, used = Spool(tmp_path / "file" / "transcripts", 0), Spool(tmp_path / "feedback", 0)
    used.put(ID, b"{}", datetime.now(UTC))
    Forgetting(conversations, [unreachable, used], lambda spool: spool is used).forget(ID)
    assert conversations.get(ID) is None
    assert list(used.directory.glob(f".forget_{ID}_*"))


def test_what_a_crash_left_without_turn_and_record_is_swept(conversations: Conversations, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    crashed, recorded, answering = "c-1", "c-2", "c-3"
    for identity, began in ((crashed, now - timedelta(days=2)), (recorded, now - timedelta(days=2)), (answering, now)):
        conversations.open(identity, "alice", ("p", "m"), began, None)
    spool = Spool(tmp_path / "transcripts", 0)
    spool.put(recorded, b"{}", now)
    Forgetting(conversations, [spool, Spool(tmp_path / "feedback", 0)]).sweep()
    kept = [each for each in (crashed, recorded, answering, ID, OTHER) if conversations.get(each)]
    assert kept == [recorded, answering, ID, OTHER]

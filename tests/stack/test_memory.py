from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lightspeed_stack import errors, memory
from lightspeed_stack.auth import User
from lightspeed_stack.conversations import Conversations, Turn
from lightspeed_stack.memory import Memory

ID = "ad14e9de-72d6-42a3-98bf-017e9c0a6b89"
ALICE, BOB = User("alice", "Alice"), User("bob", "Bob")


@pytest.fixture
def conversations(tmp_path: Path) -> Conversations:
    return Conversations(f"sqlite:///{tmp_path}/c.db")


def turn(question: str, model: str = "m") -> Turn:
    now = datetime.now(UTC)
    return Turn(question, "So.", "p", model, now, now)


def test_a_new_conversation_has_no_past(conversations: Conversations) -> None:
    assert Memory(conversations).recall(ALICE, None) == memory.Past(None, (), None)


def test_turns_and_the_last_model(conversations: Conversations) -> None:
    conversations.remember(ID, "alice", turn("one", "m1"))
    conversations.remember(ID, "alice", turn("two", "m2"))
    past = Memory(conversations).recall(ALICE, ID)
    assert (past.conversation_id, [t.question for t in past.turns], past.last_used) == (ID, ["one", "two"], ("p", "m2"))


def test_only_the_last_turns_of_a_long_one(conversations: Conversations) -> None:
    for number in range(memory.MAX_TURNS + 3):
        conversations.remember(ID, "alice", turn(str(number)))
    past = Memory(conversations).recall(ALICE, ID)
    assert [past.turns[0].question, past.turns[-1].question] == ["3", str(memory.MAX_TURNS + 2)]
    assert (len(past.turns), past.cut) == (memory.MAX_TURNS, True)


@pytest.mark.parametrize(("later", "kept"), [(1, ["x", "0"]), (2, ["0", "1"])])
def test_only_as_many_characters_of_a_long_one(conversations: Conversations, later: int, kept: list[str]) -> None:
    """An answer has three."""
    for question in ("first", "x" * (memory.MAX_CHARACTERS - 10), *map(str, range(later))):
        conversations.remember(ID, "alice", turn(question))
    past = Memory(conversations).recall(ALICE, ID)
    assert ([each.question[:1] for each in past.turns], past.cut) == (kept, True)


@pytest.mark.parametrize("count", [1, memory.PAGE, memory.PAGE + 1, 3 * memory.PAGE + 2])
def test_all_is_told(conversations: Conversations, count: int) -> None:
    for number in range(count):
        conversations.remember(ID, "alice", turn(str(number)))
    remembered = Memory(conversations)
    assert [turn.question for turn in remembered.recall(ALICE, ID).turns] == list(map(str, range(count)))
    told = remembered.told(remembered.own(ALICE, ID, "read"))
    assert [turn.question for turn in told] == list(map(str, range(count)))


def test_it_belongs_to_its_user(conversations: Conversations) -> None:
    conversations.remember(ID, "alice", turn("one"))
    own = Memory(conversations).own(ALICE, ID, "read")
    assert own.id == ID
    with pytest.raises(
        errors.Forbidden, match=f"User bob does not have permission to delete conversation with ID {ID}"
    ):
        Memory(conversations).own(BOB, ID, "delete")


def test_an_unknown_one(conversations: Conversations) -> None:
    with pytest.raises(errors.NotFound, match=f"Conversation with ID {ID} does not exist"):
        Memory(conversations).recall(ALICE, ID)


def test_one_that_was_deleted_is_forgotten(conversations: Conversations) -> None:
    conversations.remember(ID, "alice", turn("one"))
    assert not Memory(conversations).forgot(ID)
    conversations.delete(ID)
    assert Memory(conversations).forgot(ID)


def test_one_that_cannot_be_looked_up_is_not(tmp_path: Path) -> None:
    assert not Memory(Conversations(f"sqlite:///{tmp_path}")).forgot(ID)

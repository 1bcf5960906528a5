"""Who said what in which conversation. A conversation belongs to whoever began it, for good.

The statements are the same for SQLite and PostgreSQL. Owners and texts are opaque here and stand in no error. Times
are kept as text in UTC, ISO 8601 with six digits, which sorts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lightspeed_stack.database import NO_VALUES, Connection, Database, DatabaseError

if TYPE_CHECKING:
    from sqlalchemy import URL

VERSION = 1
MOST_TURNS = 2**31 - 1

_TABLES = (
    """CREATE TABLE IF NOT EXISTS conversation (
        id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        topic_summary TEXT,
        last_used_provider TEXT NOT NULL,
        last_used_model TEXT NOT NULL,
        created_at TEXT NOT NULL,
        last_message_at TEXT NOT NULL,
        message_count INTEGER NOT NULL,
        PRIMARY KEY (id)
    )""",
    "CREATE INDEX IF NOT EXISTS conversation_of_user ON conversation (user_id, last_message_at)",
    """CREATE TABLE IF NOT EXISTS turn (
        conversation_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        started_at TEXT NOT NULL,
        completed_at TEXT NOT NULL,
        extras TEXT NOT NULL,
        PRIMARY KEY (conversation_id, number),
        FOREIGN KEY (conversation_id) REFERENCES conversation (id) ON DELETE CASCADE
    )""",
    "CREATE TABLE IF NOT EXISTS conversation_schema (version INTEGER NOT NULL, PRIMARY KEY (version))",
)
_CONVERSATION = """SELECT id, user_id, topic_summary, last_used_provider, last_used_model, created_at, last_message_at,
        message_count
    FROM conversation"""
_GET = f"{_CONVERSATION} WHERE id = :id"
_HAS = "SELECT 1 FROM conversation WHERE id = :id"
_LIST = f"{_CONVERSATION} WHERE user_id = :user_id AND message_count > 0 ORDER BY last_message_at DESC, id"
_TURNS = """SELECT question, answer, provider, model, started_at, completed_at, extras
    FROM turn WHERE conversation_id = :id AND number > :after AND number <= :up_to ORDER BY number"""
_OPEN = """INSERT INTO conversation (id, user_id, topic_summary, last_used_provider, last_used_model, created_at,
        last_message_at, message_count)
    VALUES (:id, :user_id, :topic_summary, :provider, :model, :started_at, :started_at, 0)"""
_CLOSE = "DELETE FROM conversation WHERE id = :id AND message_count = 0"
_EMPTY = "SELECT id FROM conversation WHERE message_count = 0 AND created_at < :before"
_TOUCH = """INSERT INTO conversation (id, user_id, topic_summary, last_used_provider, last_used_model, created_at,
        last_message_at, message_count)
    VALUES (:id, :user_id, :topic_summary, :provider, :model, :started_at, :completed_at, 1)
    ON CONFLICT (id) DO UPDATE SET last_used_provider = excluded.last_used_provider,
        last_used_model = excluded.last_used_model, last_message_at = excluded.last_message_at,
        message_count = conversation.message_count + 1
    WHERE conversation.user_id = excluded.user_id"""
_GO_ON = """UPDATE conversation SET last_used_provider = :provider, last_used_model = :model,
        last_message_at = :completed_at, message_count = message_count + 1
    WHERE id = :id AND user_id = :user_id"""
_ADD_TURN = """INSERT INTO turn (conversation_id, number, question, answer, provider, model, started_at, completed_at, extras)
    SELECT id, message_count, :question, :answer, :provider, :model, :started_at, :completed_at, :extras
    FROM conversation WHERE id = :id AND user_id = :user_id"""
_RENAME = "UPDATE conversation SET topic_summary = :topic_summary WHERE id = :id"
_DELETE = "DELETE FROM conversation WHERE id = :id"
_VERSION = "SELECT max(version) FROM conversation_schema"
_STATE_VERSION = "INSERT INTO conversation_schema (version) VALUES (:version) ON CONFLICT DO NOTHING"

ConversationsError = DatabaseError


class Foreign(Exception):
    """The conversation belongs to another user; nothing was changed."""


@dataclass(frozen=True)
class Conversation:
    id: str
    user_id: str
    topic_summary: str | None
    last_used_provider: str
    last_used_model: str
    created_at: datetime
    last_message_at: datetime
    message_count: int


@dataclass(frozen=True)
class Turn:
    """`extras` is whatever else is worth keeping, as JSON: attachments, documents referred to."""

    question: str
    answer: str
    provider: str
    model: str
    started_at: datetime
    completed_at: datetime
    extras: Mapping[str, object] = field(default_factory=dict)


class Conversations:
    """Shared by all threads and kept over a fork. Every method may raise ConversationsError."""

    def __init__(self, url: str | URL) -> None:
        self._database = Database(url, _prepare)

    def close(self) -> None:
        """Close the connections of this process."""
        self._database.close()

    def ping(self) -> None:
        """Raise ConversationsError if conversations can't be remembered."""
        self._database.rows(_VERSION)

    def get(self, conversation_id: str) -> Conversation | None:
        rows = self._database.rows(_GET, {"id": conversation_id})
        return _conversation(rows[0]) if rows else None

    def has(self, conversation_id: str) -> bool:
        return bool(self._database.rows(_HAS, {"id": conversation_id}))

    def list(self, user_id: str) -> tuple[Conversation, ...]:
        """The user's conversations in which something was said, the latest first."""
        return tuple(map(_conversation, self._database.rows(_LIST, {"user_id": user_id})))

    def history(self, conversation_id: str, after: int = 0, up_to: int = MOST_TURNS) -> tuple[Turn, ...]:
        """The turns in their order, or some of them; the first is number 1, the last has the number of messages."""
        rows = self._database.rows(_TURNS, {"id": conversation_id, "after": after, "up_to": up_to})
        return tuple(map(_turn, rows))

    def open(
        self, conversation_id: str, user_id: str, model: tuple[str, str], now: datetime, topic_summary: str | None
    ) -> None:
        """Begin a conversation in which nothing was said yet: `go_on` adds to it, unless it is deleted meanwhile.

        `model` is provider and model.
        """
        provider, name = model
        topic = None if topic_summary is None else _storable(topic_summary)
        values = {"id": conversation_id, "user_id": user_id, "topic_summary": topic, "started_at": _written(now)}
        self._database.change((_OPEN, values | {"provider": provider, "model": name}))

    def close_empty(self, conversation_id: str) -> None:
        """Remove the conversation if nothing was said in it."""
        self._database.change((_CLOSE, {"id": conversation_id}))

    def empty(self, before: datetime) -> frozenset[str]:
        """Those begun before then in which nothing was said."""
        return frozenset(row[0] for row in self._database.rows(_EMPTY, {"before": _written(before)}))

    def remember(self, conversation_id: str, user_id: str, turn: Turn, topic_summary: str | None = None) -> None:
        """Add a turn to the user's conversation, which may be new, and then gets this name.

        Raises Foreign if it is somebody else's.
        """
        values = _values(turn) | {"id": conversation_id, "user_id": user_id}
        name = None if topic_summary is None else _storable(topic_summary)
        if self._database.change((_TOUCH, values | {"topic_summary": name}), (_ADD_TURN, values)) == 0:
            raise Foreign

    def go_on(self, conversation_id: str, user_id: str, turn: Turn) -> bool:
        """Add a turn to a conversation that the user has; whether it is still there."""
        values = _values(turn) | {"id": conversation_id, "user_id": user_id}
        return self._database.change((_GO_ON, values), (_ADD_TURN, values)) == 1

    def rename(self, conversation_id: str, topic_summary: str) -> bool:
        """Whether there was such a conversation."""
        values = {"id": conversation_id, "topic_summary": _storable(topic_summary)}
        return self._database.change((_RENAME, values)) == 1

    def delete(self, conversation_id: str, with_it: Callable[[], None] = lambda: None) -> bool:
        """Remove the conversation and its turns; whether there was one.

        `with_it` is called when no turn can be added any more; what it raises brings the conversation back.
        """
        return self._database.erase((_DELETE, {"id": conversation_id}), before_commit=with_it) == 1


def _prepare(connection: Connection) -> str | None:
    """Make the tables where there are none; those of a later release can't be used."""
    version = None
    if connection.has_table("conversation_schema"):
        version = connection.rows(_VERSION, NO_VALUES)[0][0]
    if version is None:
        _make_tables(connection)
    elif version > VERSION:
        return f"made by a later release, its schema is {version}, this one knows {VERSION}"
    return None


def _make_tables(connection: Connection) -> None:
    """Any number of processes may do so at once."""
    for statement in _TABLES:
        connection.rows(statement, NO_VALUES)
    connection.rows(_STATE_VERSION, {"version": VERSION})


def _values(turn: Turn) -> dict[str, object]:
    return {
        "question": _storable(turn.question),
        "answer": _storable(turn.answer),
        "provider": turn.provider,
        "model": turn.model,
        "started_at": _written(turn.started_at),
        "completed_at": _written(turn.completed_at),
        "extras": json.dumps(turn.extras) if turn.extras else "{}",
    }


def _conversation(row: Sequence[Any]) -> Conversation:
    identity, user_id, topic, provider, model, created_at, last_message_at, count = row
    return Conversation(identity, user_id, topic, provider, model, _read(created_at), _read(last_message_at), count)


def _turn(row: Sequence[Any]) -> Turn:
    question, answer, provider, model, started_at, completed_at, extras = row
    return Turn(question, answer, provider, model, _read(started_at), _read(completed_at), json.loads(extras))


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


_read = datetime.fromisoformat


def _storable(said: str) -> str:
    """Without what no database takes: NUL and halves of surrogate pairs."""
    if "\0" in said:
        said = said.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return said if said.isascii() else said.encode(errors="replace").decode()

"""What a user said before: whose conversation it is, what was said in it, and that a turn was added.

A conversation belongs to the user who began it, whatever the authentication module; nobody else reads, continues,
renames or deletes it.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightspeed_stack import errors, prompt
from lightspeed_stack.conversations import Conversation, Conversations, ConversationsError, Foreign, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from datetime import datetime

    from lightspeed_stack.asked import Asked
    from lightspeed_stack.auth import User

MAX_TURNS = 200
MAX_CHARACTERS = 4_000_000
PAGE = 5  # turns that are read at once: each may have the size of a request
TOPIC_CHARACTERS = 80
AT_ONCE_SECONDS = 1.0
OPENERS = 4  # conversations that are begun at once

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Past:
    """`last_used` is provider and model; a new conversation has no id yet. `cut`: there are older turns."""

    conversation_id: str | None
    turns: tuple[Turn, ...]
    last_used: tuple[str, str] | None
    cut: bool = False


NOTHING = Past(None, (), None)


class Memory:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._opening = ThreadPoolExecutor(OPENERS, "conversations")

    def recall(self, user: User, conversation_id: str | None) -> Past:
        """The conversation to go on with; raises errors.NotFound, errors.Forbidden, ConversationsError."""
        if conversation_id is None:
            return NOTHING
        known = self.own(user, conversation_id, "read")
        turns = tuple(self._latest(known))[::-1]
        cut = len(turns) < known.message_count
        return Past(known.id, turns, (known.last_used_provider, known.last_used_model), cut)

    def _latest(self, known: Conversation) -> Iterator[Turn]:
        """From the last back to where they are too many or too long, read a page at a time."""
        room = MAX_CHARACTERS
        oldest = max(0, known.message_count - MAX_TURNS)
        for last in range(known.message_count, oldest, -PAGE):
            for turn in reversed(self._conversations.history(known.id, max(oldest, last - PAGE), last)):
                room -= len(turn.question) + len(turn.answer)
                if room < 0:
                    return
                yield turn

    def told(self, known: Conversation) -> Iterator[Turn]:
        """All its turns, read a page at a time; raises ConversationsError at any of them."""
        for after in range(0, known.message_count, PAGE):
            yield from self._conversations.history(known.id, after, min(after + PAGE, known.message_count))

    def own(self, user: User, conversation_id: str, action: str) -> Conversation:
        """The conversation, if it is the user's; raises as `recall` does, naming the action."""
        known = self._conversations.get(conversation_id)
        if known is None:
            raise unknown(conversation_id)
        if known.user_id != user.id:
            raise errors.Forbidden(
                f"User {user.id} does not have permission to {action} conversation with ID {conversation_id}",
                response="User does not have permission to perform this action",
            )
        return known

    def open(self, asked: Asked) -> Future[bool]:
        """Let a new conversation be known before its first answer, so that it can be deleted; whether that worked."""
        return self._opening.submit(self._open, asked)

    def _open(self, asked: Asked) -> bool:
        model = asked.model.provider, asked.model.name
        try:
            self._conversations.open(asked.conversation_id, asked.user.id, model, asked.started_at, _name(asked.topic))
        except ConversationsError as error:
            log.error("a conversation can't be deleted during its first answer: %s", error)
            return False
        return True

    def remember(self, asked: Asked, answer: str, now: datetime) -> bool:
        """Add the turn; one that can't be added is logged, since the user has the answer.

        False, and nothing is added, if there is no such conversation: it was deleted, or a new one could not be begun.
        """
        turn = Turn(
            question=prompt.with_attachments(asked.question, asked.attachments),
            answer=answer,
            provider=asked.model.provider,
            model=asked.model.name,
            started_at=asked.started_at,
            completed_at=now,
        )
        try:
            if asked.continues:
                return self._conversations.go_on(asked.conversation_id, asked.user.id, turn)
            self._begin(asked, turn)
        except (ConversationsError, Foreign) as error:
            log.error("a turn is not remembered: %s", error)
            return asked.continues
        return True

    def _begin(self, asked: Asked, turn: Turn) -> None:
        """A failure that comes at once may be a lost connection: then a new one is tried."""
        given = asked.conversation_id, asked.user.id, turn, _name(asked.topic)
        began = time.monotonic()
        try:
            self._conversations.remember(*given)
        except ConversationsError:
            if time.monotonic() - began > AT_ONCE_SECONDS:
                raise
            self._conversations.remember(*given)

    def forgot(self, conversation_id: str) -> bool:
        """Whether there is no such conversation any more; one that can't be looked up is taken to be there."""
        try:
            return not self._conversations.has(conversation_id)
        except ConversationsError:
            return False


def unknown(conversation_id: str) -> errors.NotFound:
    return errors.NotFound(f"Conversation with ID {conversation_id} does not exist", response="Conversation not found")


def _name(question: str | None) -> str | None:
    if not question:
        return None
    line = " ".join(question.split())
    return line if len(line) <= TOPIC_CHARACTERS else line[: TOPIC_CHARACTERS - 1].rstrip() + "…"

"""What a user said before: whose conversation it is, what was said in it, and that a turn was added.

A conversation belongs to the user who began it, whatever the authentication module; nobody else reads, continues,
renames or deletes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.conversations import Conversation, Conversations, Turn

if TYPE_CHECKING:
    from datetime import datetime

    from lightspeed_stack.auth import User
    from lightspeed_stack.interaction import Asked

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Past:
    """`last_used` is provider and model; a new conversation has no id yet."""

    conversation_id: str | None
    turns: tuple[Turn, ...]
    last_used: tuple[str, str] | None


NOTHING = Past(None, (), None)


class Memory:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    def recall(self, user: User, conversation_id: str | None) -> Past:
        """Raises errors.NotFound, errors.Forbidden, errors.DatabaseFailed."""
        if conversation_id is None:
            return NOTHING
        known = self.own(user, conversation_id, "read")
        last_used = (known.last_used_provider, known.last_used_model)
        return Past(known.id, self._conversations.history(known.id), last_used)

    def own(self, user: User, conversation_id: str, verb: str) -> Conversation:
        """The conversation, if it is the user's."""
        known = self._conversations.get(conversation_id)
        if known is None:
            raise unknown(conversation_id)
        if known.user_id != user.id:
            raise foreign(user, conversation_id, verb)
        return known

    def remember(self, asked: Asked, answer: str, now: datetime) -> None:
        """A turn that can't be remembered is logged: the user has the answer."""

"""Forget a conversation: first its records that have not left this host, then what was said.

In this order, so that after a failure the conversation is still there and can be deleted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.spool import SpoolError

if TYPE_CHECKING:
    from lightspeed_stack.conversations import Conversations
    from lightspeed_stack.spool import Spool


class Forgetting:
    def __init__(self, conversations: Conversations, spools: Sequence[Spool]) -> None:
        self._conversations = conversations
        self._spools = spools

    def forget(self, conversation_id: str) -> None:
        """Raises errors.StorageFailed, ConversationsError."""
        for spool in self._spools:
            try:
                spool.forget(conversation_id)
            except SpoolError as error:
                raise errors.StorageFailed(
                    "The conversation's records could not be withdrawn.", response="Failed to delete the conversation"
                ) from error
        self._conversations.delete(conversation_id)

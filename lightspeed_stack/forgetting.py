"""Forget a conversation: what was said in it, and its records that have not left this host.

The records are withdrawn between the deletion and its commit. So after a failure the conversation is still there and
can be deleted again; and an answer that ends meanwhile either has left its record before, or finds the conversation gone.
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
        self._conversations.delete(conversation_id, lambda: self._withdraw(conversation_id))

    def _withdraw(self, conversation_id: str) -> None:
        for spool in self._spools:
            try:
                spool.forget(conversation_id)
            except SpoolError as error:
                raise errors.StorageFailed(
                    "The conversation's records could not be withdrawn.", response="Failed to delete the conversation"
                ) from error

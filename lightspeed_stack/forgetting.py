"""Forget a conversation: what was said in it, and its records that have not left this host.

The records are withdrawn between the deletion and its commit: after a failure the conversation is still there and can be
deleted again. And once more after it: whoever leaves a record looks afterwards whether the conversation is still there, and
either has left it before that, or finds the conversation gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.spool import SpoolError, Unreachable

if TYPE_CHECKING:
    from lightspeed_stack.conversations import Conversations
    from lightspeed_stack.spool import Spool


LONGEST_ANSWER = timedelta(days=1)

log = logging.getLogger(__name__)


class Forgetting:
    def __init__(
        self,
        conversations: Conversations,
        spools: Sequence[Spool],
        is_used: Callable[[Spool], bool] = lambda spool: True,
    ) -> None:
        """A spool that is not used, and that nobody can get at, holds no records."""
        self._conversations = conversations
        self._spools = spools
        self._is_used = is_used

    def forget(self, conversation_id: str) -> None:
        """Raises errors.StorageFailed, ConversationsError."""
        self._conversations.delete(conversation_id, lambda: self._withdraw(conversation_id))
        self._withdraw(conversation_id)

    def sweep(self, now: datetime | None = None) -> None:
        """Forget conversations that came to nothing, but for those that still have records to withdraw.

        Raises SpoolError, ConversationsError.
        """
        empty = self._conversations.empty((now or datetime.now(UTC)) - LONGEST_ANSWER)
        if empty:
            for conversation_id in empty.difference(*(spool.conversations() for spool in self._spools)):
                self._conversations.close_empty(conversation_id)

    def _withdraw(self, conversation_id: str) -> None:
        for spool in self._spools:
            try:
                spool.forget(conversation_id)
            except SpoolError as error:
                if isinstance(error, Unreachable) and not self._is_used(spool):
                    log.info("no records are looked for in a storage that is switched off: %s", error)
                    continue
                raise errors.StorageFailed(
                    "The conversation's records could not be withdrawn.", response="Failed to delete the conversation"
                ) from error

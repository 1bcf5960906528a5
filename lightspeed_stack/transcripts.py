"""Keep the transcript of each interaction in the spool, if transcripts are on and the user has not opted out by then.

Never raises: a transcript that can't be stored is logged, counted and lost; the user has the answer.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lightspeed_stack import alerts, records
from lightspeed_stack.spool import SpoolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightspeed_stack.asked import Asked
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.optout import OptOuts
    from lightspeed_stack.providers.base import Chunk
    from lightspeed_stack.pseudonym import Pseudonym
    from lightspeed_stack.spool import Spool
    from lightspeed_stack.tally import Tally

KIND = "transcripts"

log = logging.getLogger(__name__)


class Transcripts:
    """`spool` is None when transcripts are off."""

    def __init__(
        self, spool: Spool | None, pseudonym: Pseudonym, metrics: Metrics, tally: Tally, opt_outs: OptOuts
    ) -> None:
        self._spool = spool
        self._pseudonym = pseudonym
        self._metrics = metrics
        self._tally = tally
        self._opt_outs = opt_outs

    def keep(
        self,
        asked: Asked,
        answer: str,
        outcome: str,
        tokens: tuple[int, int],
        chunks: Sequence[Chunk],
    ) -> bool:
        """Whether there is one now; `answer` is redacted, `tokens` are those in and out."""
        if self._spool is None:
            return False
        if not asked.recorded or self._opt_outs.has(asked.user.id):
            self._metrics.opted_out(KIND)
            return False
        record = self._record(asked, answer, outcome, tokens, chunks)
        try:
            self._put(self._spool, asked.conversation_id, records.encode(record))
        except SpoolError as error:
            self.lose(asked.conversation_id, error.cause, str(error))
            return False
        return True

    def give_up(self, conversation_id: str) -> None:
        """Withdraw that of a conversation which could not be begun: there is none that its user could delete."""
        self.lose(conversation_id, "database", f"there is no conversation {conversation_id} to delete it with")
        self.withdraw(conversation_id)

    def withdraw(self, conversation_id: str) -> None:
        """Those of the conversation are not to leave this host: nobody could delete them any more."""
        try:
            if self._spool is not None:
                self._spool.forget(conversation_id)
        except SpoolError as error:
            log.error("a transcript of a deleted conversation can't be withdrawn: %s", error)

    def lose(self, conversation_id: str, cause: str, reason: str) -> None:
        """Tell that one is lost, where there are any."""
        if self._spool is None:
            return
        self._metrics.not_spooled(KIND, cause)
        fields = alerts.fields(alerts.TRANSCRIPT_LOST, conversation_id=conversation_id, cause=cause)
        log.error("a transcript is lost: %s", reason, extra=fields)

    def _put(self, spool: Spool, conversation_id: str, data: bytes) -> None:
        began, now = time.perf_counter(), datetime.now(UTC)
        spool.put(conversation_id, data, now)
        self._metrics.spooled(KIND, len(data), time.perf_counter() - began)
        self._tally.count(now, KIND)

    def _record(
        self, asked: Asked, answer: str, outcome: str, tokens: tuple[int, int], chunks: Sequence[Chunk]
    ) -> dict[str, object]:
        return records.transcript(
            provider=asked.model.provider,
            model=asked.model.name,
            user_id=self._pseudonym.of(asked.user.id),
            conversation_id=asked.conversation_id,
            now=datetime.now(UTC),
            redacted_query=asked.question,
            query_is_valid=asked.valid,
            llm_response=answer,
            outcome=outcome,
            chunks=chunks,
            truncated=asked.truncated,
            attachments=asked.attachments,
            extensions={
                "query_provider": asked.requested_provider,
                "query_model": asked.requested_model,
                "input_tokens": tokens[0],
                "output_tokens": tokens[1],
            },
        )

"""How a question ends: its turn is remembered, its transcript kept and the call counted. Never raises.

A transcript is kept, or is told as lost in the log and the metrics, whatever fails and however long the database takes.
No transcript stays whose conversation can't be deleted.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lightspeed_stack import passages
from lightspeed_stack.database import WAIT_SECONDS

if TYPE_CHECKING:
    from lightspeed_stack.asked import Asked
    from lightspeed_stack.memory import Memory
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.providers.base import Chunk
    from lightspeed_stack.redact import Redactor
    from lightspeed_stack.transcripts import Transcripts

OPENING_SECONDS = 2.0 * WAIT_SECONDS  # a connection and a statement

COMPLETE = "complete"
INTERRUPTED = "interrupted"
DISCONNECTED = "disconnected"
FAILED = "failed"

log = logging.getLogger(__name__)


class Ending:
    def __init__(
        self,
        memory: Memory,
        redactor: Redactor,
        transcripts: Transcripts,
        metrics: Metrics,
        opening_seconds: float = OPENING_SECONDS,
    ) -> None:
        self._memory = memory
        self._redactor = redactor
        self._transcripts = transcripts
        self._metrics = metrics
        self._opening_seconds = opening_seconds

    def finish(
        self, asked: Asked, text: str, outcome: str, tokens: tuple[int, int], chunks: tuple[Chunk, ...] = ()
    ) -> None:
        """`tokens` are those in and out, `chunks` what the provider found."""
        seconds = time.perf_counter() - asked.begun
        try:
            asked = asked.settled(self._opening_seconds)
            self._conclude(asked, text, outcome, tokens, chunks)
        except Exception:
            log.exception("an answer could not be remembered and recorded")
            self._lose(asked, text, outcome)
        try:
            self._count(asked, outcome, tokens, seconds)
        except Exception:
            log.exception("an answer could not be counted")

    def _conclude(
        self, asked: Asked, text: str, outcome: str, tokens: tuple[int, int], chunks: tuple[Chunk, ...]
    ) -> None:
        if asked.continues and self._memory.forgot(asked.conversation_id):
            return
        if asked.opening is not None:  # it may come to be known, and be deleted, at any time
            if asked.recorded and _is_recorded(text, outcome):
                self._transcripts.lose(asked.conversation_id, "database", "its conversation could not be begun in time")
            return
        redact = self._redactor.apply
        answer, shown = redact(text), (*asked.chunks, *passages.redacted(chunks, redact))
        kept = _is_recorded(text, outcome) and self._transcripts.keep(asked, answer, outcome, tokens, shown)
        is_turn = bool(text) or outcome == COMPLETE
        if self._remains(asked, answer, is_turn) or not kept:
            return
        if asked.continues:
            self._transcripts.withdraw(asked.conversation_id)
        else:
            self._transcripts.give_up(asked.conversation_id)

    def _remains(self, asked: Asked, answer: str, is_turn: bool) -> bool:
        """Whether the conversation is still there, with the turn if it is one.

        Asked after the transcript was kept: a deletion either finds it or is seen here.
        """
        if is_turn:
            return self._memory.remember(asked, answer, datetime.now(UTC))
        return asked.continues and not self._memory.forgot(asked.conversation_id)

    def _lose(self, asked: Asked, text: str, outcome: str) -> None:
        """Tell the loss after an unforeseen fault, before or after the transcript was kept.

        That of a conversation which is known may stay; it is told even so.
        """
        try:
            if asked.recorded and _is_recorded(text, outcome):
                self._transcripts.lose(asked.conversation_id, "error", "an unforeseen fault")
            if not asked.continues or self._memory.forgot(asked.conversation_id):
                self._transcripts.withdraw(asked.conversation_id)
        except Exception:
            log.exception("a transcript could not be withdrawn")

    def _count(self, asked: Asked, outcome: str, tokens: tuple[int, int], seconds: float) -> None:
        if not asked.valid:
            self._metrics.refused(asked.endpoint)
        elif outcome == FAILED:
            self._metrics.failed(*asked.labels, seconds)
        else:
            self._metrics.answered(*asked.labels, seconds, *tokens)


def _is_recorded(text: str, outcome: str) -> bool:
    """A question that failed before anything was said leaves no transcript."""
    return bool(text) or outcome != FAILED

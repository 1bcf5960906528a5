"""Keep what users think of answers: the record is durable when `keep` returns, or an error says that it is not.

Feedback is about a conversation of one's own; its texts are redacted before they are written. If the conversation is
deleted meanwhile, the record is withdrawn.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from lightspeed_stack import alerts, errors, memory, records
from lightspeed_stack.spool import Full, SpoolError
from lightspeed_stack.tally import NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from lightspeed_stack.auth import User
    from lightspeed_stack.memory import Memory
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.parse import Feedback
    from lightspeed_stack.pseudonym import Pseudonym
    from lightspeed_stack.redact import Redactor
    from lightspeed_stack.spool import Spool
    from lightspeed_stack.tally import Tally

KIND = "feedback"

log = logging.getLogger(__name__)


def _never() -> bool:
    return False


class Feedbacks:
    def __init__(
        self,
        spool: Spool | None,
        memory: Memory,
        redactor: Redactor,
        pseudonym: Pseudonym,
        metrics: Metrics,
        tally: Tally,
    ) -> None:
        """`spool` is None when no storage is configured."""
        self._spool = spool
        self._memory = memory
        self._redactor = redactor
        self._pseudonym = pseudonym
        self._metrics = metrics
        self._tally = tally

    def keep(
        self,
        user: User,
        feedback: Feedback,
        now: datetime,
        *,
        private: bool = False,
        opted_out: Callable[[], bool] = _never,
    ) -> None:
        """Raises errors.NotFound, Forbidden (what is `private` is not taken), StorageFailed, StorageFull.

        `opted_out` is asked again whether the user is, once the database has been waited for.
        """
        if self._spool is None:
            raise errors.StorageFailed("No storage for feedback is configured.")
        if private:
            raise self._private()
        self._memory.own(user, feedback.conversation_id, "submit feedback for")
        if opted_out():
            raise self._private()
        data = records.encode(self._record(user, feedback, now))
        try:
            self._put(self._spool, feedback.conversation_id, data, now)
        except SpoolError as error:
            self._metrics.not_spooled(KIND, error.cause)
            refused = alerts.fields(
                alerts.FEEDBACK_REFUSED, conversation_id=feedback.conversation_id, cause=error.cause
            )
            log.error("feedback is refused: %s", error, extra=refused)
            raise errors.StorageFull() if isinstance(error, Full) else errors.StorageFailed() from error
        self._refuse_deleted(self._spool, feedback.conversation_id)
        self._tally.count(now, KIND, *_opinion(feedback.sentiment))

    def _private(self) -> errors.Forbidden:
        self._metrics.opted_out(KIND)
        return errors.Forbidden("The user has switched data collection off.", response="Storing feedback is disabled")

    def _put(self, spool: Spool, conversation_id: str, data: bytes, now: datetime) -> None:
        began = time.perf_counter()
        spool.put(conversation_id, data, now)
        self._metrics.spooled(KIND, len(data), time.perf_counter() - began)

    def _refuse_deleted(self, spool: Spool, conversation_id: str) -> None:
        """A deletion that is not committed yet is not seen here: it withdraws the record itself once it is."""
        if not self._memory.forgot(conversation_id):
            return
        try:
            spool.forget(conversation_id)
        except SpoolError as error:
            log.error("feedback about a deleted conversation can't be withdrawn: %s", error)
        raise memory.unknown(conversation_id)

    def _record(self, user: User, feedback: Feedback, now: datetime) -> dict[str, object]:
        redact = self._redactor.apply
        return records.feedback(
            user_id=self._pseudonym.of(user.id),
            conversation_id=feedback.conversation_id,
            now=now,
            user_question=redact(feedback.user_question),
            llm_response=redact(feedback.llm_response),
            sentiment=feedback.sentiment,
            user_feedback=None if feedback.user_feedback is None else redact(feedback.user_feedback),
            categories=feedback.categories,
        )


def _opinion(sentiment: int | None) -> tuple[str, ...]:
    return (POSITIVE if sentiment > 0 else NEGATIVE,) if sentiment else ()

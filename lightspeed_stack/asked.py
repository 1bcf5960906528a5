"""A question on its way: all that was decided before the provider is asked."""

from __future__ import annotations

from concurrent.futures import wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from datetime import datetime

    from lightspeed_stack.auth import User
    from lightspeed_stack.providers.base import Chunk, Message, Model, Provider


@dataclass(frozen=True)
class Asked:
    """A question that may be asked, redacted; `refusal` is the answer to one that is out of scope.

    It `continues` a conversation that is known already; `opening` tells in the end whether a new one came to be known.
    `begun` is on the clock of time.perf_counter.
    """

    user: User
    endpoint: str
    conversation_id: str
    provider: Provider
    model: Model
    messages: tuple[Message, ...]
    question: str
    attachments: tuple[Mapping[str, str], ...]
    chunks: tuple[Chunk, ...]
    truncated: bool
    refusal: str | None
    requested_provider: str | None
    requested_model: str | None
    topic: str | None
    continues: bool
    started_at: datetime
    begun: float
    recorded: bool
    opening: Future[bool] | None = None

    @property
    def valid(self) -> bool:
        return self.refusal is None

    @property
    def labels(self) -> tuple[str, str, str]:
        """Provider, model and endpoint, as metrics tell calls apart."""
        return self.model.provider, self.model.name, self.endpoint

    def settled(self, seconds: float) -> Asked:
        """Without waiting any longer for the opening of its conversation to begin, nor for longer than that to end.

        One that has not ended even so stays: nobody knows what will come of it.
        """
        if self.opening is None:
            return self
        is_begun = not self.opening.cancel()
        if is_begun and not wait((self.opening,), seconds).done:
            return self
        return replace(
            self, continues=is_begun and not self.opening.exception() and self.opening.result(), opening=None
        )

"""The story of one question, shared by the answer in one piece and the answer in pieces.

`begin` decides everything that can be decided before the provider is asked, and may refuse with an error; `ask` or
`stream` gets the answer; `finish` remembers the turn and keeps the transcript. Only `begin` and `ask` raise: a
transcript that can't be kept is logged and counted, and never costs the user the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightspeed_stack.auth import User
    from lightspeed_stack.parse import Query
    from lightspeed_stack.providers.base import Answer, Chunk, Message, Model, Provider, Stream

COMPLETE = "complete"
INTERRUPTED = "interrupted"
DISCONNECTED = "disconnected"
FAILED = "failed"


@dataclass(frozen=True)
class Asked:
    """A question that may be asked, redacted; `refusal` is the answer of one that is out of scope."""

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
    started_at: datetime
    recorded: bool

    @property
    def valid(self) -> bool:
        return self.refusal is None


class Interactions:
    def begin(self, user: User, query: Query, now: datetime, endpoint: str = "/v1/query") -> Asked:
        """Decide who continues what, with which model, and what it is told; raises errors.Error."""
        raise NotImplementedError

    def ask(self, asked: Asked) -> Answer:
        """The answer in one piece; a failure is counted (no need to call `finish`) and raised."""
        raise NotImplementedError

    def stream(self, asked: Asked) -> Stream:
        """The answer in pieces; whatever happens then, call `finish` once. A refusal comes as a stream too."""
        raise NotImplementedError

    def finish(
        self,
        asked: Asked,
        text: str,
        outcome: str,
        input_tokens: int,
        output_tokens: int,
        chunks: tuple[Chunk, ...] = (),
    ) -> None:
        """Remember the turn and keep its transcript, with what was said so far; never raises."""
        raise NotImplementedError

"""The story of one question, shared by the answer in one piece and the answer in pieces.

`begin` decides everything that can be decided before the provider is asked, and may refuse with an error; `announce`
lets a new conversation be known before its first answer; `ask` or `stream` gets the answer; `finish` remembers the turn
and keeps the transcript. Only `begin` and `ask` raise: a transcript that can't be kept is logged and counted, and never
costs the user the answer.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import replace
from typing import TYPE_CHECKING

from lightspeed_stack import attachments, errors, passages, pieces, prompt
from lightspeed_stack.asked import Asked
from lightspeed_stack.calls import Calls
from lightspeed_stack.ending import COMPLETE, DISCONNECTED, FAILED, INTERRUPTED, Ending
from lightspeed_stack.providers.base import Answer

if TYPE_CHECKING:
    from datetime import datetime

    from lightspeed_stack.auth import User
    from lightspeed_stack.config import Service
    from lightspeed_stack.conversations import Turn
    from lightspeed_stack.memory import Memory, Past
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.parse import Query
    from lightspeed_stack.providers import Registry
    from lightspeed_stack.providers.base import Chunk, Client, Model, Provider, Stream
    from lightspeed_stack.redact import Redactor
    from lightspeed_stack.scope import Scope
    from lightspeed_stack.transcripts import Transcripts

__all__ = ["COMPLETE", "DISCONNECTED", "FAILED", "INTERRUPTED", "Interactions"]

ANNOUNCE_SECONDS = 1.0


class Interactions:
    def __init__(
        self,
        *,
        allow: Callable[[User, str], None],
        service: Service,
        system_prompt: str,
        may_replace_prompt: bool,
        registry: Registry,
        memory: Memory,
        redactor: Redactor,
        scope: Scope,
        retrieve: Callable[[str], tuple[Chunk, ...]],
        transcripts: Transcripts,
        metrics: Metrics,
    ) -> None:
        self._allow = allow
        self._limits = {"max_count": service.max_attachments, "max_bytes": service.max_attachment_bytes}
        self._configured_prompt = system_prompt
        self._may_replace_prompt = may_replace_prompt
        self._registry = registry
        self._memory = memory
        self._redactor = redactor
        self._scope = scope
        self._retrieve = retrieve
        self._metrics = metrics
        self._ending = Ending(memory, redactor, transcripts, metrics)
        self._calls = Calls()

    def begin(
        self, user: User, query: Query, now: datetime, endpoint: str = "/v1/query", *, private: bool = False
    ) -> Asked:
        """Decide who continues what, with which model, and what it is told; raises errors.Error.

        A question that is cut short while its scope is judged is recorded: no need to call `finish`.
        What is `private` is remembered as a part of its conversation but not recorded.
        """
        begun = time.perf_counter()
        self._refuse_override(user, query)
        redact = self._redactor.apply
        system = redact(self._system_prompt(query.system_prompt))
        files = attachments.redacted(attachments.take(query.attachments, **self._limits), redact)
        past = self._redacted(self._memory.recall(user, query.conversation_id))
        provider, model = self._registry.choose(query.provider, query.model, past.last_used)
        question = redact(query.query)
        refusal, is_cut = self._refusal(question, past.turns, provider, model)
        chunks = self._passages(self._retrieve(question)) if refusal is None and not is_cut else ()
        told = prompt.build(system, past.turns, chunks, question, files, model.context_window, model.identifier)
        asked = Asked(
            user=user,
            endpoint=endpoint,
            conversation_id=past.conversation_id or str(uuid.uuid4()),
            provider=provider,
            model=model,
            messages=told.messages,
            question=question,
            attachments=files,
            chunks=told.chunks,
            truncated=told.truncated or past.cut,
            refusal=refusal,
            requested_provider=query.provider,
            requested_model=query.model,
            topic=question if query.generate_topic_summary else None,
            continues=past.conversation_id is not None,
            started_at=now,
            begun=begun,
            recorded=not private,
        )
        if is_cut:
            self._metrics.asked(*asked.labels)
            self._interrupt(asked)
            raise errors.Stopping
        return asked

    def announce(self, asked: Asked) -> Asked:
        """To be called before the conversation's id is told: from then on its user may delete it.

        Who asks does not wait long for that; a database that is slower goes on with it until `finish`.
        """
        if asked.continues:
            return asked
        opening = self._memory.open(asked)
        wait((opening,), ANNOUNCE_SECONDS)
        return replace(asked, opening=opening)

    def ask(self, asked: Asked) -> Answer:
        """The answer in one piece; a failure is counted, a cut recorded (no need to call `finish`), both are raised."""
        if asked.refusal is not None:
            return Answer(asked.refusal, 0, 0)
        self._metrics.asked(*asked.labels)
        try:
            with self._calls.begin() as call:
                return asked.provider.ask(asked.messages, asked.model.name, call)
        except errors.Stopping:
            self._interrupt(asked)
            raise
        except errors.Error:
            self._metrics.failed(*asked.labels, time.perf_counter() - asked.begun)
            raise

    def cut_short(self) -> None:
        """Let nobody wait for an answer in one piece any longer; `ask` raises errors.Stopping."""
        self._calls.cut_short()

    def stream(self, asked: Asked, client: Client | None = None) -> Stream:
        """The answer in pieces, a refusal too; whatever happens then, call `finish` once.

        `client` is as in providers.base.Provider.stream.
        """
        if asked.refusal is not None:
            return pieces.Refusal(asked.refusal)
        self._metrics.asked(*asked.labels)
        stream = asked.provider.stream(asked.messages, asked.model.name, client)
        return pieces.Measured(stream, asked.model, asked.begun, self._metrics)

    def finish(
        self,
        asked: Asked,
        text: str,
        outcome: str,
        input_tokens: int,
        output_tokens: int,
        chunks: tuple[Chunk, ...] = (),
    ) -> None:
        """Remember the turn and keep its transcript, with what was said so far; never raises.

        Where nothing was said there is no turn; a question that failed so leaves no transcript either. A conversation
        that was announced stays even so: its client may be asking again in it. One that its user deleted meanwhile
        stays deleted, and no transcript stays whose conversation can't be deleted.
        """
        self._ending.finish(asked, text, outcome, (input_tokens, output_tokens), chunks)

    def _refusal(
        self, question: str, turns: tuple[Turn, ...], provider: Provider, model: Model
    ) -> tuple[str | None, bool]:
        """And whether the judging was cut short."""
        try:
            with self._calls.begin(patient=False) as call:
                return self._scope.refusal(question, turns, provider, model, call), False
        except errors.Stopping:
            return None, True

    def _interrupt(self, asked: Asked) -> None:
        self.finish(self.announce(asked), "", INTERRUPTED, 0, 0)

    def _redacted(self, past: Past) -> Past:
        """What was remembered before a filter was configured must not reach the provider now."""
        redact = self._redactor.apply
        turns = (replace(turn, question=redact(turn.question), answer=redact(turn.answer)) for turn in past.turns)
        return replace(past, turns=tuple(turns))

    def _passages(self, chunks: tuple[Chunk, ...]) -> tuple[Chunk, ...]:
        return passages.redacted(chunks, self._redactor.apply)

    def _refuse_override(self, user: User, query: Query) -> None:
        if query.provider:
            self._allow(user, "model_override")

    def _system_prompt(self, wanted: str | None) -> str:
        if wanted and not self._may_replace_prompt:
            raise errors.Unprocessable(
                "This instance does not support customizing the system prompt (disable_query_system_prompt is set). "
                "Please remove the system_prompt field from your request.",
                response="System prompt customization is disabled",
            )
        return wanted or self._configured_prompt

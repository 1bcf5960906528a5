"""POST /v1/query: ask, and get the answer in one piece."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Response
from flask.views import View

from lightspeed_stack import errors, interaction, records
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightspeed_stack.asked import Asked
    from lightspeed_stack.interaction import Interactions
    from lightspeed_stack.parse import Parser
    from lightspeed_stack.providers.base import Answer, Chunk
    from lightspeed_stack.views.door import Door


class QueryView(View):
    init_every_request = False
    methods = ("POST",)

    def __init__(self, door: Door, parser: Parser, interactions: Interactions) -> None:
        self._door = door
        self._parser = parser
        self._interactions = interactions

    def dispatch_request(self) -> Response:
        body = self._door.body()
        user = self._door.enter()
        query = self._parser.query(body)
        self._door.allow(user, "query")
        private = self._door.is_private(user)
        with self._door.noting(errors.Stopping, interaction.INTERRUPTED):
            asked = self._interactions.begin(user, query, datetime.now(UTC), private=private)
            self._door.concerns(asked.conversation_id)
            answer = self._interactions.ask(asked)
        self._interactions.finish(
            asked, answer.text, interaction.COMPLETE, answer.input_tokens, answer.output_tokens, answer.chunks
        )
        self._door.note(interaction.COMPLETE if asked.valid else "refused")
        return reply.as_json(_told(asked, answer))


def _told(asked: Asked, answer: Answer) -> dict[str, object]:
    chunks = (*asked.chunks, *answer.chunks)
    return {
        "conversation_id": asked.conversation_id,
        "response": answer.text,
        "rag_chunks": [records.chunk_as_json(chunk) for chunk in chunks],
        "referenced_documents": referenced_documents(chunks),
        "truncated": asked.truncated,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "available_quotas": {},
        "tool_calls": [],
        "tool_results": [],
    }


def referenced_documents(chunks: Iterable[Chunk]) -> list[dict[str, object]]:
    """Each document once, in the order of its best passage."""
    documents: dict[tuple[str, str], dict[str, object]] = {}
    for chunk in chunks:
        documents.setdefault((chunk.source, chunk.title), _referenced(chunk))
    return list(documents.values())


def _referenced(chunk: Chunk) -> dict[str, object]:
    return {"doc_url": chunk.url, "doc_title": chunk.title, "source": chunk.source, "document_id": None}

"""Passages of documents as they may be told: redacted in all that is text, where they come from as well. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightspeed_stack.providers.base import Chunk


def redacted(chunks: Iterable[Chunk], redact: Callable[[str], str]) -> tuple[Chunk, ...]:
    return tuple(_redacted(chunk, redact) for chunk in chunks)


def _redacted(chunk: Chunk, redact: Callable[[str], str]) -> Chunk:
    return replace(
        chunk,
        content=redact(chunk.content),
        source=redact(chunk.source),
        title=redact(chunk.title),
        url=chunk.url and redact(chunk.url),
        attributes={
            name: redact(value) if isinstance(value, str) else value for name, value in chunk.attributes.items()
        },
    )

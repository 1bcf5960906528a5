"""The bodies of requests: bytes in, values out, or errors.Invalid with upstream's items.

The schemas are those of openapi.yaml, compiled once. A body is judged by the compiled validator; only one that fails
is walked to say what is wrong. No coercion: a wrong type is an error that names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    query: str
    conversation_id: str | None
    provider: str | None
    model: str | None
    system_prompt: str | None
    attachments: tuple[Mapping[str, str], ...]
    media_type: str | None

"""Provider settings for tests, with deadlines that a test can wait for, and what a provider tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lightspeed_stack import config, errors
from lightspeed_stack.providers.base import Message, Provider

HI = (Message("system", "You are a helpful assistant"), Message("user", "hi"))

_DEFAULTS = config.Provider(
    name="openai",
    type="openai",
    base_url=None,
    api_key=None,
    api_key_file=None,
    models=(),
    connect_timeout_seconds=5,
    read_timeout_seconds=5,
    total_timeout_seconds=10,
    max_answer_bytes=1_000_000,
    headers={},
    ca_bundle=None,
    context_window=None,
    directories=(),
    min_score=None,
)


def settings(base_url: str, **changes: Any) -> config.Provider:
    """An openai provider at this URL."""
    return replace(_DEFAULTS, base_url=base_url, **changes)


def told(provider: Provider, model: str) -> tuple[str, errors.Error | None]:
    """The text of a stream and how it failed."""
    text = ""
    try:
        for tokens in provider.stream(HI, model):
            text += "".join(tokens)
    except errors.Error as error:
        return text, error
    return text, None

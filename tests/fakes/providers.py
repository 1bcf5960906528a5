"""Provider settings for tests: those of the schema's defaults, with deadlines that a test can wait for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lightspeed_stack import config

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

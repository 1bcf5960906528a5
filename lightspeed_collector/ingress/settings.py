"""What an ingress needs to know; the command line holds the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """`store` is a directory or s3://BUCKET/PREFIX; `services` empty means that every well-formed one is known."""

    store: str
    state: Path
    notify: Path
    token_file: Path | None
    max_size: int
    services: frozenset[str]
    require_identity: bool

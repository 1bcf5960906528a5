from __future__ import annotations

from lightspeed_stack import passages
from lightspeed_stack.providers.base import Chunk


def test_every_part_is_redacted() -> None:
    chunk = Chunk("a secret", "secret.md", 0.5, "The secret", "http://secret/", {"document_id": "secret.md", "n": 1})
    [redacted] = passages.redacted([chunk], lambda text: text.replace("secret", "[x]"))
    assert redacted == Chunk("a [x]", "[x].md", 0.5, "The [x]", "http://[x]/", {"document_id": "[x].md", "n": 1})


def test_no_address_stays_none() -> None:
    [redacted] = passages.redacted([Chunk("c", "s", 1, "t", None, {})], str.upper)
    assert redacted.url is None

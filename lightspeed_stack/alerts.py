"""The events of the API that somebody may want to be told of, each with an id that never changes.

`journalctl MESSAGE_ID=...` finds them, `journalctl -x` explains them by the message catalog.
"""

from __future__ import annotations

from lightspeed_stack.daemon.events import fields

__all__ = [
    "DATABASE_FAILED",
    "FEEDBACK_REFUSED",
    "PROVIDER_FAILED",
    "REQUEST_FAILED",
    "TRANSCRIPT_LOST",
    "fields",
]

TRANSCRIPT_LOST = "c33ddbd0e402452ba799dbe8b39aeb09"
FEEDBACK_REFUSED = "2ec8e1c4a6b540cda63a242602f57a7a"
PROVIDER_FAILED = "fe6ec865e83b48a3bac38da2e042a90e"
DATABASE_FAILED = "542c41fbf18e445a977d3aa8d08f3702"
REQUEST_FAILED = "40cedcb7e5ae41999bb046e80a9b6821"

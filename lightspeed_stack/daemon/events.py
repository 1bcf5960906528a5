"""The events of any daemon of ours in the journal, each with an id that never changes (journalctl MESSAGE_ID=...)."""

from __future__ import annotations

from typing import Any

READY = "e973082a64a74de6a113b802c91d8462"
CONFIGURATION_RELOADED = "fa16f8bd9f184a56acd6d50e790924b1"
RELOAD_REFUSED = "4e336478892943f2be6edfbe76aeec0c"


def fields(event: str, **values: Any) -> dict[str, Any]:
    """The `extra=` of a log call: the event, and its values as LIGHTSPEED_* fields."""
    return {"event": event, "fields": {f"LIGHTSPEED_{key.upper()}": value for key, value in values.items()}}

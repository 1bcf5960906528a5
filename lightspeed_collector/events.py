"""The events of this program in the journal, each with an id that never changes (journalctl MESSAGE_ID=...)."""

from __future__ import annotations

from lightspeed_stack.daemon.events import fields

__all__ = ["fields"]

BATCH_SENT = "1df1c75c26034e87ad1503b8467450b2"
RUN_DONE = "799d94fd1b2a43218662a2ad794e33f7"
INGRESS_REFUSED = "0dcf9fa9cde046079f7e9bc0f87d0c3a"
INGRESS_BUSY = "02086a37f46c4ab78446a93b2d421161"
RECORD_QUARANTINED = "b8cb439029f24c52a7981936fc7fc97e"
RECORD_DROPPED = "6ddaa47a3f6c45ac9e57b1060ef4561b"
CONVERSATION_FORGOTTEN = "496b9acb41d94ba4b7b61716a11964e0"
LEDGER_SET_ASIDE = "295455b77eb24446adf924f028719a9f"
PROBLEM = "d5770a2d2f4d4f10ac398b832113948e"

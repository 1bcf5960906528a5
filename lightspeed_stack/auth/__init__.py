"""Who asks, and what they may do.

`create` makes the gate that the configuration asks for; each module beside it answers one question only: which user
sent these headers. Nothing here keeps a session, and no error, log line or repr shows a credential.
"""

from __future__ import annotations

from lightspeed_stack.auth.base import Authenticator, Lookup, User
from lightspeed_stack.auth.gate import Gate, create

__all__ = ["Authenticator", "Gate", "Lookup", "User", "create"]

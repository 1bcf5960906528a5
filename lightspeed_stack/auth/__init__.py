"""Who asks, and what they may do.

`create` makes the gate that the configuration asks for. A module of this package answers only one question: which user
sent these headers. It keeps no session, and no error, log line or repr of it shows a credential.
"""

from __future__ import annotations

from lightspeed_stack.auth.base import Authenticator, Lookup, User
from lightspeed_stack.auth.gate import Gate, check, create

__all__ = ["Authenticator", "Gate", "Lookup", "User", "check", "create"]

"""Where a request comes in: its body is read, its user told, its right looked up, and the log line learns who it was.

The order is upstream's: a body that is too large or no JSON is refused before anybody is asked who they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from lightspeed_stack import front, parse

if TYPE_CHECKING:
    from lightspeed_stack.auth import Gate, User
    from lightspeed_stack.pseudonym import Pseudonym


class Door:
    def __init__(self, gate: Gate, pseudonym: Pseudonym) -> None:
        self._gate = gate
        self._pseudonym = pseudonym

    def body(self) -> object:
        """What `parse.Parser` reads; raises errors.Invalid for malformed JSON."""
        return parse.read(request.get_data(cache=False), request.content_type)

    def enter(self) -> User:
        user = self._gate.authenticate(request.headers, request.args, request.remote_addr)
        request.environ[front.NOTE].user = self._pseudonym.of(user.id)
        return user

    def enter_for(self, action: str) -> User:
        user = self.enter()
        self.allow(user, action)
        return user

    def allow(self, user: User, action: str) -> None:
        self._gate.authorize(user, action)

    def note(self, outcome: str) -> None:
        """One word for the log line."""
        request.environ[front.NOTE].outcome = outcome

"""POST /authorized: who the caller is taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask.views import View

from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.views.door import Door


class AuthorizedView(View):
    init_every_request = False
    methods = ("POST",)

    def __init__(self, door: Door) -> None:
        self._door = door

    def dispatch_request(self) -> Response:
        user = self._door.enter()
        return reply.as_json({"user_id": user.id, "username": user.name, "skip_userid_check": user.skip_userid_check})

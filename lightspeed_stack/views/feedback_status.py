"""GET and PUT /v1/feedback/status: whether feedback is taken, in the whole installation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Response
from flask.views import MethodView

from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.parse import Parser
    from lightspeed_stack.switch import Switch
    from lightspeed_stack.views.door import Door


class FeedbackStatusView(MethodView):
    init_every_request = False

    def __init__(self, door: Door, parser: Parser, switch: Switch) -> None:
        self._door = door
        self._parser = parser
        self._switch = switch

    def get(self) -> Response:
        return reply.as_json({"functionality": "feedback", "status": {"enabled": self._switch.get()}})

    def put(self) -> Response:
        body = self._door.body()
        user = self._door.enter()
        wanted = self._parser.feedback_status(body)
        self._door.allow(user, "admin")
        previous = self._switch.set(wanted)
        status = {
            "previous_status": previous,
            "updated_status": wanted,
            "updated_by": user.id,
            "timestamp": str(datetime.now(UTC)),
        }
        return reply.as_json({"status": status})

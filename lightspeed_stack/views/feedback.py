"""POST /v1/feedback: what a user thinks of an answer; answered only when the record is on the disk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Response
from flask.views import View

from lightspeed_stack import errors
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.feedbacks import Feedbacks
    from lightspeed_stack.parse import Parser
    from lightspeed_stack.switch import Switch
    from lightspeed_stack.views.door import Door


class FeedbackView(View):
    init_every_request = False
    methods = ("POST",)

    def __init__(self, door: Door, parser: Parser, switch: Switch, feedbacks: Feedbacks) -> None:
        self._door = door
        self._parser = parser
        self._switch = switch
        self._feedbacks = feedbacks

    def dispatch_request(self) -> Response:
        body = self._door.body()
        user = self._door.enter()
        if not self._switch.get():
            raise errors.Forbidden("Storing feedback is disabled.", response="Storing feedback is disabled")
        feedback = self._parser.feedback(body)
        self._door.concerns(feedback.conversation_id)
        self._door.allow(user, "feedback")
        private, opted_out = self._door.is_private(user), self._door.opted_out(user)
        self._feedbacks.keep(user, feedback, datetime.now(UTC), private=private, opted_out=opted_out)
        return reply.as_json({"response": "feedback received"})

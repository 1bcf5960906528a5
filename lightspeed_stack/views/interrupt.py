"""POST /v1/streaming_query/interrupt: stop an answer that is being told, in whichever worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask.views import View

from lightspeed_stack import errors
from lightspeed_stack.streams import Verdict
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.parse import Parser
    from lightspeed_stack.streams import Streams
    from lightspeed_stack.views.door import Door

_MESSAGES = {
    Verdict.INTERRUPTED: "Streaming request interrupted",
    Verdict.FINISHED: "Streaming request already completed; nothing to interrupt",
}


class InterruptView(View):
    init_every_request = False
    methods = ("POST",)

    def __init__(self, door: Door, parser: Parser, streams: Streams) -> None:
        self._door = door
        self._parser = parser
        self._streams = streams

    def dispatch_request(self) -> Response:
        body = self._door.body()
        user = self._door.enter()
        request_id = self._parser.interrupt(body)
        self._door.allow(user, "streaming_query")
        verdict = self._streams.interrupt(request_id, user.id)
        self._door.note(verdict)
        if verdict is Verdict.UNKNOWN:
            raise errors.NotFound(
                f"Streaming Request with ID {request_id} does not exist", response="Streaming Request not found"
            )
        if verdict is Verdict.FOREIGN:
            raise errors.Forbidden(
                f"User {user.id} does not own streaming request with ID {request_id}",
                response="User does not have permission to interrupt this streaming request",
            )
        interrupted = verdict is Verdict.INTERRUPTED
        return reply.as_json({"request_id": request_id, "interrupted": interrupted, "message": _MESSAGES[verdict]})

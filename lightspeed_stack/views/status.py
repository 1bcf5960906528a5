"""GET /v1/status: how the installation fares, for those who run it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Response
from flask.views import View

from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.status import Status
    from lightspeed_stack.views.door import Door


class StatusView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, door: Door, status: Status) -> None:
        self._door = door
        self._status = status

    def dispatch_request(self) -> Response:
        self._door.enter_for("get_status")
        return reply.as_json(self._status.gather(datetime.now(UTC)), headers={"Cache-Control": "no-store"})

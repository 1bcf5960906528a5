"""GET /v1/info: what this service is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask.views import View

from lightspeed_stack.daemon.version import VERSION
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.views.door import Door


class InfoView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, door: Door, name: str) -> None:
        self._door = door
        self._name = name

    def dispatch_request(self) -> Response:
        self._door.enter_for("info")
        return reply.as_json({"name": self._name, "service_version": VERSION, "llama_stack_version": None})

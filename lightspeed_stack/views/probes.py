"""GET /readiness and /liveness: can questions be answered, does the process live. No credentials needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask.views import View

from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.health import Health


class ReadinessView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, health: Health) -> None:
        self._health = health

    def dispatch_request(self) -> Response:
        report = self._health.report()
        return reply.as_json(report.as_json(), 200 if report.ready else 503)


class LivenessView(View):
    init_every_request = False
    methods = ("GET",)

    def dispatch_request(self) -> Response:
        return reply.as_json({"alive": True})

"""GET /metrics: the metrics of all workers, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request
from flask.views import View

if TYPE_CHECKING:
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.views.door import Door


class MetricsView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, door: Door, metrics: Metrics, *, is_open: bool) -> None:
        self._door = door
        self._metrics = metrics
        self._is_open = is_open

    def dispatch_request(self) -> Response:
        if not (self._is_open and "Authorization" not in request.headers):
            self._door.enter_for("get_metrics")
        text, content_type = self._metrics.render()
        return Response(text, content_type=content_type)

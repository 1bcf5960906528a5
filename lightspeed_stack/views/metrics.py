"""GET /metrics: the metrics of all workers, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask.views import View

if TYPE_CHECKING:
    from lightspeed_stack.gauges import Gauges
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.views.door import Door


class MetricsView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, door: Door, gauges: Gauges, metrics: Metrics, *, needs_user: bool) -> None:
        self._door = door
        self._gauges = gauges
        self._metrics = metrics
        self._needs_user = needs_user

    def dispatch_request(self) -> Response:
        if self._needs_user:
            self._door.enter_for("get_metrics")
        self._gauges.refresh()
        text, content_type = self._metrics.render()
        return Response(text, content_type=content_type)

"""GET and PUT /v1/me/data-collection: whether one's own interactions may be recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from flask.views import MethodView

from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.optout import OptOuts
    from lightspeed_stack.parse import Parser
    from lightspeed_stack.views.door import Door


class DataCollectionView(MethodView):
    init_every_request = False

    def __init__(self, door: Door, parser: Parser, opt_outs: OptOuts) -> None:
        self._door = door
        self._parser = parser
        self._opt_outs = opt_outs

    def get(self) -> Response:
        user = self._door.enter_for("opt_out")
        return reply.as_json({"enabled": not self._opt_outs.has(user.id)})

    def put(self) -> Response:
        body = self._door.body()
        user = self._door.enter()
        enabled = self._parser.data_collection(body)
        self._door.allow(user, "opt_out")
        self._opt_outs.set(user.id, not enabled)
        return reply.as_json({"enabled": enabled})

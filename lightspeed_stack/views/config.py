"""GET /v1/config: the configuration in force, with every default and without a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response
from flask.views import View

from lightspeed_stack.daemon.schema import masked
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.config import Config
    from lightspeed_stack.views.door import Door


class ConfigView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, door: Door, config: Config) -> None:
        self._door = door
        self._configuration = {"configuration": _shown(config)}

    def dispatch_request(self) -> Response:
        self._door.enter_for("get_config")
        return reply.as_json(self._configuration)


def _shown(config: Config) -> Mapping[str, Any]:
    return {**masked(config), "mcp_servers": []}

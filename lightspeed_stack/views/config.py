"""GET /v1/config: the configuration in force, with every default and without a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response
from flask.views import View

from lightspeed_stack.daemon.schema import masked
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.config import Config
    from lightspeed_stack.views.door import Door

_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/@\s]*@")


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
    shown: Mapping[str, Any] = _without_passwords(masked(config))
    return {**shown, "mcp_servers": []}


def _without_passwords(value: Any) -> Any:
    """A URL may carry a password that its key does not tell of."""
    if isinstance(value, dict):
        return {key: _without_passwords(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_passwords(part) for part in value]
    return _PASSWORD_IN_URL.sub("**********@", value) if isinstance(value, str) else value

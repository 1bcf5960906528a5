"""GET /v1/models: who can be asked, over all providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request
from flask.views import View

from lightspeed_stack import errors, explain
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.providers import Registry
    from lightspeed_stack.providers.base import Model
    from lightspeed_stack.views.door import Door

TYPE = "llm"
KNOWN_ARGUMENTS = ("model_type", "user_id")


class ModelsView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, door: Door, registry: Registry) -> None:
        self._door = door
        self._registry = registry

    def dispatch_request(self) -> Response:
        user = self._door.enter()
        unknown = [
            explain.extra_forbidden(("query", name), text) for name, text in request.args.items() if not _known(name)
        ]
        if unknown:
            raise errors.Invalid(unknown)
        self._door.allow(user, "get_models")
        wanted = request.args.get("model_type", TYPE)
        models = self._registry.models() if wanted == TYPE else ()
        return reply.as_json({"models": [_told(model) for model in models]})


def _known(argument: str) -> bool:
    return argument in KNOWN_ARGUMENTS


def _told(model: Model) -> dict[str, object]:
    return {
        "identifier": model.identifier,
        "metadata": {},
        "api_model_type": TYPE,
        "provider_id": model.provider,
        "type": "model",
        "provider_resource_id": model.name,
        "model_type": TYPE,
    }

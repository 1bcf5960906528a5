"""What to answer to a question that is out of scope: the configured refusal, and no call of the main model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lightspeed_stack import validity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightspeed_stack.config import QueryValidity
    from lightspeed_stack.conversations import Turn
    from lightspeed_stack.providers import Registry
    from lightspeed_stack.providers.base import Call, Message, Model, Provider

log = logging.getLogger(__name__)


class Scope:
    def __init__(self, settings: QueryValidity, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry

    def refusal(self, question: str, turns: Sequence[Turn], provider: Provider, model: Model, call: Call) -> str | None:
        """None for a question in scope. `provider` and `model` judge it unless the configuration names others.

        Raises errors.Stopping when the `call` to who judges is cut short.
        """
        if self._settings.mode == "off":
            return None

        def ask(messages: Sequence[Message]) -> str:
            judge, judging = self._judge(provider, model)
            return judge.ask(messages, judging.name, call).text

        previous = turns[-1].question if turns else None
        in_scope = validity.check(question, self._settings, ask, previous, _unjudged)
        return None if in_scope else self._settings.refusal

    def _judge(self, provider: Provider, model: Model) -> tuple[Provider, Model]:
        if self._settings.provider is None and self._settings.model is None:
            return provider, model
        return self._registry.named(self._settings.provider, self._settings.model)


def _unjudged() -> None:
    log.warning("whether a question is in scope could not be told; it is let through")

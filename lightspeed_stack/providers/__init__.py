"""Who can be asked: the configured providers, their models, and the choice between them.

A provider's module is loaded when the configuration names its type.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.providers.base import Model, Provider

if TYPE_CHECKING:
    from lightspeed_stack import config

Chosen = tuple[Provider, Model]


def create(inference: config.Inference, state_dir: Path) -> Registry:
    """Raises ConfigError when a provider cannot be made of its settings."""
    providers = [_create(settings, state_dir) for settings in inference.providers]
    default = inference.default_provider or providers[0].name, inference.default_model
    windows = {settings.name: settings.context_window for settings in inference.providers}
    return Registry(providers, *default, windows)


def check(inference: config.Inference) -> None:
    """Raises ConfigError as `create` does; asks nobody, writes nothing."""
    if any(settings.type != "embedded" for settings in inference.providers):
        from lightspeed_stack.providers.api import Api

        for settings in inference.providers:
            if settings.type != "embedded":
                Api(settings)


def _create(settings: config.Provider, state_dir: Path) -> Provider:
    if settings.type == "embedded":
        from lightspeed_stack.providers import embedded

        return embedded.create(settings, state_dir)
    from lightspeed_stack.providers.openai import OpenAI

    return OpenAI(settings)


class Registry:
    """The providers in the order of the configuration."""

    def __init__(
        self,
        providers: Sequence[Provider],
        default_provider: str,
        default_model: str | None,
        windows: dict[str, int | None],
    ) -> None:
        self.providers = tuple(providers)
        self._by_name = {provider.name: provider for provider in providers}
        self._default_provider = default_provider
        self._default_model = default_model
        self._windows = windows

    def models(self) -> tuple[Model, ...]:
        """All that can be asked now; raises a provider's error only when no provider tells anything."""
        models: list[Model] = []
        failures: list[errors.Error] = []
        for provider in self.providers:
            try:
                models += provider.models()
            except errors.Error as error:
                failures.append(error)
        if failures and not models:
            raise failures[0]
        return tuple(models)

    def choose(self, provider: str | None, model: str | None, last_used: tuple[str, str] | None) -> Chosen:
        """The pair asked for, else the conversation's last one if it is still there, else the default.

        Raises NotFound, and what Provider.models raises.
        """
        if provider and model:
            return self._find(provider, model) or _no_model(f"Model with ID {model} does not exist")
        return (last_used and self._find(*last_used)) or self._default()

    def named(self, provider: str | None, model: str | None) -> Chosen:
        """That model of that provider: without a name the default provider, its default model, else its first.

        A model that is named is not looked up. Raises NotFound, and what Provider.models raises.
        """
        name = provider or self._default_provider
        found = self._by_name.get(name) or _no_provider(name)
        known = model or (self._default_model if name == self._default_provider else None)
        if known:
            return found, Model(name, known, self._windows.get(name))
        return next(((found, first) for first in found.models()), None) or _no_model("No Model is configured")

    def health(self) -> dict[str, str | None]:
        """What is wrong with each provider, None when nothing is."""
        return {provider.name: provider.health() for provider in self.providers}

    def _find(self, name: str, model: str) -> Chosen | None:
        provider = self._by_name.get(name)
        if provider is None:
            return None
        if (name, model) == (self._default_provider, self._default_model):
            return provider, Model(name, model, self._windows.get(name))
        return next(((provider, found) for found in provider.models() if found.name == model), None)

    def _default(self) -> Chosen:
        """The configured model is not looked up, so that it can be asked of a server that lists none."""
        default = self._by_name[self._default_provider]
        if self._default_model:
            return self._find(default.name, self._default_model) or _no_model("No Model is configured")
        for provider in (default, *self.providers):
            for model in provider.models():
                return provider, model
        return _no_model("No Model is configured")


def _no_model(cause: str) -> Chosen:
    raise errors.NotFound(cause, response="Model not found")


def _no_provider(name: str) -> Provider:
    raise errors.NotFound(f"Provider with ID {name} does not exist", response="Model not found")

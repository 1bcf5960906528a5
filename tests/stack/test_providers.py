"""The choice between providers and models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lightspeed_stack import config, errors, providers
from lightspeed_stack.providers.base import Model
from tests.fakes.provider import FakeProvider
from tests.fakes.providers import settings


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider(models=("x", "y")) as provider:
        yield provider


def registry(
    *entries: config.Provider, default_provider: str | None = None, default_model: str | None = None
) -> providers.Registry:
    return providers.create(config.Inference(default_provider, default_model, entries), Path("/nonexistent"))


@pytest.fixture
def two(fake: FakeProvider) -> providers.Registry:
    """One that lists x and y, one that is configured with a and b."""
    return registry(settings(fake.url, name="asked"), settings(fake.url, name="told", models=("a", "b")))


def chosen(registry: providers.Registry, *wanted: str | None, last_used: tuple[str, str] | None = None) -> str:
    provider, model = registry.choose(wanted[0], wanted[1], last_used)
    assert provider.name == model.provider
    return model.identifier


def test_all_models_of_all_providers(two: providers.Registry) -> None:
    assert [model.identifier for model in two.models()] == ["asked/x", "asked/y", "told/a", "told/b"]
    assert [provider.name for provider in two.providers] == ["asked", "told"]


def test_the_pair_that_is_asked_for(two: providers.Registry) -> None:
    assert chosen(two, "told", "b", last_used=("asked", "y")) == "told/b"


def test_the_pair_used_last(two: providers.Registry) -> None:
    assert chosen(two, None, None, last_used=("asked", "y")) == "asked/y"


@pytest.mark.parametrize("gone", [("told", "z"), ("nobody", "a")])
def test_a_pair_used_last_that_is_gone(two: providers.Registry, gone: tuple[str, str]) -> None:
    assert chosen(two, None, None, last_used=gone) == "asked/x"


def test_the_first_of_the_first(two: providers.Registry) -> None:
    assert chosen(two, None, None) == "asked/x"


def test_the_first_model_of_the_default_provider(fake: FakeProvider) -> None:
    pair = settings(fake.url, name="asked"), settings(fake.url, name="told", models=("a", "b"))
    assert chosen(registry(*pair, default_provider="told"), None, None) == "told/a"


def test_the_default_model_need_not_be_listed(fake: FakeProvider) -> None:
    entry = settings(fake.url, name="asked", context_window=512)
    made = registry(entry, default_provider="asked", default_model="unlisted")
    assert made.choose(None, None, None)[1] == Model("asked", "unlisted", 512)
    assert chosen(made, "asked", "unlisted") == "asked/unlisted"
    assert fake.requests == []


@pytest.mark.parametrize(("provider", "model"), [("told", "none"), ("nobody", "none"), ("asked", "a")])
def test_a_pair_that_nobody_offers(two: providers.Registry, provider: str, model: str) -> None:
    with pytest.raises(errors.NotFound) as caught:
        two.choose(provider, model, None)
    assert caught.value.body() == {
        "detail": {"response": "Model not found", "cause": f"Model with ID {model} does not exist"}
    }


def test_nothing_to_choose_from(fake: FakeProvider) -> None:
    fake.models = ()
    with pytest.raises(errors.NotFound, match="No Model is configured"):
        registry(settings(fake.url)).choose(None, None, None)


def test_a_provider_that_can_not_be_asked_hides_no_other(fake: FakeProvider) -> None:
    dead = settings("http://127.0.0.1:9/v1", name="dead")
    both = registry(dead, settings(fake.url, name="alive"))
    assert [model.identifier for model in both.models()] == ["alive/x", "alive/y"]
    assert chosen(both, "alive", "x") == "alive/x"
    with pytest.raises(errors.ProviderUnavailable):
        both.choose("dead", "x", None)
    with pytest.raises(errors.ProviderUnavailable):
        registry(dead).models()


def test_health_of_each(fake: FakeProvider) -> None:
    both = registry(settings("http://127.0.0.1:9/v1", name="dead"), settings(fake.url, name="alive"))
    assert both.health() == {"dead": "Connection error: 127.0.0.1:9: Connection refused", "alive": None}

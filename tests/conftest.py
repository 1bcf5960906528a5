"""What all tests share."""

import gc

import pytest
from hypothesis import settings

from tests.fakes.daemon import Process

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=5000, deadline=None)
settings.load_profile("repeatable")


def pytest_configure() -> None:
    Process.forks = True


def pytest_collection_finish() -> None:
    """What was collected stays: no garbage collection need look at it again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a parameter of bytes by its argument: compressed ones differ from run to run."""
    return argname if isinstance(val, bytes) else None

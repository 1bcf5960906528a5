"""What all tests share."""

import pytest


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a parameter of bytes by its argument: compressed ones differ from run to run."""
    return argname if isinstance(val, bytes) else None

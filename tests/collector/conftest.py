"""A site and an ingress that does what the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ingress_faults import Behaviour, FaultyIngress
from tests.fakes.site import Site


@pytest.fixture
def ingress() -> Iterator[FaultyIngress]:
    """Accepts everything, unless the test gives it another `script`."""
    with FaultyIngress() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, ingress: FaultyIngress) -> Site:
    return Site(tmp_path / "site", ingress.url)


Met = Callable[..., tuple[Site, FaultyIngress]]


@pytest.fixture
def meet(tmp_path: Path) -> Iterator[Met]:
    """A site whose ingress behaves as told."""
    with ExitStack() as stack:

        def make(*script: Behaviour, **settings: Any) -> tuple[Site, FaultyIngress]:
            server = stack.enter_context(FaultyIngress(*script))
            return Site(tmp_path / f"site{server.port}", server.url, **settings), server

        yield make

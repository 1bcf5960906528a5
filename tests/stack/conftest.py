"""The application over a fake provider, as the tests of HTTP use it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.fakes.application import application, provider
from tests.fakes.daemon import merged
from tests.fakes.provider import MODELS, FakeProvider

MakeClient = Callable[..., FlaskClient]


@pytest.fixture(scope="session")
def fake() -> Iterator[FakeProvider]:
    """A provider that answers "Hello from fake", or what the model's name says."""
    statuses = tuple(f"status-{status}" for status in (400, 401, 403, 429, 500, 502, 503))
    with FakeProvider(models=(*MODELS, *statuses)) as running:
        yield running


@pytest.fixture
def make_client(tmp_path: Path, fake: FakeProvider) -> MakeClient:
    """Makes a client of an application with these overrides of the configuration, kept under `tmp_path`."""

    def make(**overrides: Any) -> FlaskClient:
        return application(tmp_path, merged(provider(fake.url), overrides)).test_client()

    return make


@pytest.fixture
def client(make_client: MakeClient) -> FlaskClient:
    return make_client()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, fake: FakeProvider) -> FlaskClient:
    """A client that the tests of a module share: for requests that leave nothing behind."""
    return application(tmp_path_factory.mktemp("shared"), provider(fake.url)).test_client()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tmpfs with the given options; where the kernel forbids that to us, the test is skipped."""
    point = tmp_path / "disk"
    point.mkdir()

    def mount(options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", point], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a tmpfs can't be mounted here: {done.stderr.strip()}")
        return point

    yield mount
    subprocess.run(["umount", "--lazy", point], capture_output=True)

"""Two ingresses for all tests of this folder: one that asks for nothing, one that asks for everything."""

from collections.abc import Iterator

import pytest

from tests.fakes.reference_ingress import LIMIT, Ingress
from tests.fakes.s3 import S3


@pytest.fixture(scope="session")
def ingress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingress]:
    with Ingress(tmp_path_factory.mktemp("store"), "--max-size", str(LIMIT), "--workers", "2") as process:
        yield process


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingress]:
    """With the bearer tokens old-secret and new-secret, an identity required, two services known."""
    folder = tmp_path_factory.mktemp("guarded")
    token = folder / "token"
    token.write_text("old-secret\nnew-secret\n")
    options = ["--token-file", str(token), "--require-identity", "--services", "lightspeed,ols"]
    with Ingress(folder, *options) as process:
        yield process


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    with S3() as server:
        yield server

"""The pair, installed from its package on a booted systemd. Collected only when this folder is named (make test-systemd)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.machine import Machine
from tests.systemd.pair import CHECKOUT, TESTS, Pair

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
TOOLS = ("systemd-nspawn", "dbus-daemon", "unshare", "nsenter", "curl", "ss", "pgrep", "man", "openssl", "rpm")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    named = [config.invocation_params.dir / argument.split("::")[0] for argument in config.args]
    return None if any(path.resolve().is_relative_to(HERE) for path in named) else True


def packages(kind: str) -> tuple[Path, Path]:
    """The older and the newest package that `make test-systemd` has made."""
    found = sorted((ROOT / "build").glob(f"*.{kind}"), key=lambda package: "0.0.9" not in package.name)
    assert len(found) == 2, f"run make test-systemd: {found}"
    return found[0], found[1]


@pytest.fixture(scope="session", autouse=True)
def rig() -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        pytest.exit(f"these tests need root, and these programs: {', '.join(missing)}", 4)


@pytest.fixture(scope="session")
def package() -> Path:
    return packages("deb")[1]


@pytest.fixture(scope="session")
def machine(package: Path) -> Iterator[Machine]:
    with Machine() as booted:
        booted.copy(package, "/root/package.deb")
        booted.copy(TESTS, f"{CHECKOUT}/tests")
        booted.run("dpkg --install /root/package.deb")
        Pair(booted).reset()
        yield booted


@pytest.fixture
def pair(machine: Machine) -> Iterator[Pair]:
    """Both daemons as after an installation, stopped, with empty spools; what a test changes is undone after it."""
    pair = Pair(machine)
    yield pair
    pair.reset()

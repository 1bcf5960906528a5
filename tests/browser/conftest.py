"""A real Chromium on a real server: no window, no other host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.fakes.daemon import Stack
from tests.fakes.provider import FakeProvider

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of the page go, to be looked at and shown in the documents."""
    folder = Path(os.environ.get("LIGHTSPEED_SCREENSHOTS", "var/screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    assert executable, "chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        yield running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> Iterator[Stack]:
    chosen = {"name": "openai", "type": "openai", "base_url": provider.url, "models": ["chat"]}
    with Stack(
        tmp_path_factory.mktemp("browser"), {"name": "Helpdesk", "inference": {"providers": [chosen]}}
    ) as running:
        yield running


@pytest.fixture
def answer(provider: FakeProvider) -> Iterator[Callable[[str], None]]:
    """Choose how the provider answers from now on; it echoes the question unless told otherwise."""

    def choose(behaviour: str) -> None:
        provider.behaviour = behaviour

    choose("echo")
    yield choose
    choose("echo")


@pytest.fixture
def page(browser: Browser, stack: Stack, answer: Callable[[str], None]) -> Iterator[Page]:
    """The chat, opened; any complaint of the browser (a blocked resource, an exception) fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto(stack.url + "/")
    opened.get_by_role("heading", name="Helpdesk").wait_for()
    yield opened
    context.close()
    assert [text for text in complaints if "status of" not in text] == []

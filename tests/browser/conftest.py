"""A real Chromium on a real server: no window, no other host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.fakes.daemon import Stack
from tests.fakes.provider import FakeProvider

HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script> [x](javascript:alert(3)) ![p](http://127.0.0.1:9/p.png)"
)
HOSTILE_DOCUMENT = f"---\ntitle: {HOSTILE}\nurl: javascript:alert(4)\n---\nThe quagga and the okapi. {HOSTILE}\n"
PATIENCE_MILLISECONDS = 10_000
COMPLAINTS_OF_FETCH = "Failed to load resource"  # an answer that is an error is no fault of the page
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
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(behaviour="echo") as running:
        yield running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "documents").mkdir()
    (folder / "documents" / "hostile.md").write_text(HOSTILE_DOCUMENT)
    chosen = {"name": "openai", "type": "openai", "base_url": provider.url, "models": ["chat"]}
    overrides = {
        "name": "Helpdesk",
        "inference": {"providers": [chosen]},
        "rag": {"enabled": True, "directories": [str(folder / "documents")]},
    }
    with Stack(folder, overrides) as running:
        yield running


@pytest.fixture
def answer(provider: FakeProvider) -> Iterator[Callable[[str], None]]:
    """Choose how the provider answers from now on; it echoes the question unless told otherwise."""

    def choose(behaviour: str) -> None:
        provider.behaviour = behaviour

    yield choose
    choose("echo")


@pytest.fixture(scope="session")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A profile with a warm cache; what a page keeps for its tab is never shared."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def visit(browser: Browser, visitor: BrowserContext) -> Iterator[Callable[..., Page]]:
    """Open an address as a new visitor; any complaint of the browser (a blocked resource, an exception) fails the test,
    and so does a request to another host."""
    closing: list[Page | BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(COMPLAINTS_OF_FETCH):
            complaints.append(message.text)

    def opened(url: str, *, clock: bool = False, **options: Any) -> Page:
        """`clock` lets the test turn the page's time forward; with it or an option the visitor is nobody known."""
        context = browser.new_context(**options) if clock or options else visitor
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = context.new_page()
        closing.append(page if context is visitor else context)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", note)
        page.on("request", lambda sent: None if own(sent.url, url) else complaints.append(f"asked for {sent.url}"))
        if clock:
            page.clock.install()
        page.goto(url)
        return page

    yield opened
    for one in closing:
        one.close()
    assert complaints == []


def own(asked: str, url: str) -> bool:
    return asked.startswith(("data:", "blob:")) or urlsplit(asked).netloc == urlsplit(url).netloc


@pytest.fixture
def page(visit: Callable[..., Page], stack: Stack) -> Page:
    """The chat, opened."""
    opened = visit(f"{stack.url}/")
    opened.get_by_role("heading", name="Helpdesk").wait_for()
    return opened

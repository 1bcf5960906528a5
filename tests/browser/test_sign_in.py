"""Who may ask: the page under every authentication module, and what it does when it is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_page import ask, said
from tests.fakes.daemon import Stack
from tests.fakes.key_server import KeyServer, Signer

QUESTION = "How do I restart nginx?"
ONE_WORKER = {"service": {"workers": 1}}  # starts sooner
IDENTITY = {"identity": {"type": "User", "org_id": "1", "user": {"user_id": "7", "username": "ann"}}}


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Your key or token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_is_asked_for_proved_and_forgotten(visit: Callable[..., Page], tmp_path: Path, screenshots: Path) -> None:
    authentication = {"module": "api-key-token", "api_key_config": {"api_key": "hunter2"}}
    with Stack(tmp_path, ONE_WORKER | {"authentication": authentication}) as stack:
        page = visit(f"{stack.url}/")
        expect(page.get_by_label("Your key or token")).to_be_focused()
        expect(page.get_by_label("Your question")).to_be_hidden()
        sign_in(page, "hunter1")
        expect(page.locator("#sign-in-problem")).to_have_text("Invalid API Key")
        page.screenshot(path=screenshots / "sign-in.png")
        sign_in(page, "hunter2")
        ask(page, QUESTION)
        assert "systemctl restart" in said(page)
        page.reload()
        expect(page.locator(".question")).to_have_text(QUESTION)
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator(".question")).to_have_count(0)
        expect(page.locator("#history")).to_be_hidden()
        page.reload()
        expect(page.get_by_label("Your key or token")).to_be_focused()
        assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_a_token_that_has_expired_is_asked_for_again(visit: Callable[..., Page], tmp_path: Path) -> None:
    signer = Signer("ES256", "one")
    with KeyServer(signer) as keys:
        authentication = {"module": "jwk-token", "jwk_config": {"url": keys.url}}
        with Stack(tmp_path, ONE_WORKER | {"authentication": authentication}) as stack:
            page = visit(f"{stack.url}/")
            sign_in(page, signer.sign({"user_id": "u", "username": "ann"}))
            ask(page, QUESTION)
            assert "systemctl restart" in said(page)
            page.evaluate("sessionStorage.setItem('lightspeed-token', 'expired')")
            ask(page, "And then?")
            expect(page.get_by_label("Your key or token")).to_be_focused()
            sign_in(page, signer.sign({"user_id": "u", "username": "ann"}))
            expect(page.get_by_label("Your question")).to_have_value("And then?")


@pytest.mark.parametrize(
    ("authentication", "headers"),
    [
        (
            {"module": "trusted-proxy", "trusted_proxy_config": {"user_header": "X-Forwarded-User"}},
            {"X-Forwarded-User": "ann"},
        ),
        (
            {"module": "rh-identity", "rh_identity_config": {"required_entitlements": []}},
            {"x-rh-identity": base64.b64encode(json.dumps(IDENTITY).encode()).decode()},
        ),
    ],
    ids=["trusted-proxy", "rh-identity"],
)
def test_behind_a_proxy_nothing_is_asked_for(
    visit: Callable[..., Page], tmp_path: Path, authentication: dict[str, Any], headers: dict[str, str]
) -> None:
    with Stack(tmp_path, ONE_WORKER | {"authentication": authentication}) as stack:
        page = visit(f"{stack.url}/", extra_http_headers=headers)
        ask(page, QUESTION)
        assert "systemctl restart" in said(page)
        stranger = visit(f"{stack.url}/")
        expect(stranger.locator("#sign-in-problem")).to_contain_text("not signed in at the proxy")
        expect(stranger.get_by_label("Your key or token")).to_be_hidden()


def test_a_token_that_nobody_verifies_is_asked_for_too(visit: Callable[..., Page], tmp_path: Path) -> None:
    with Stack(tmp_path, ONE_WORKER | {"authentication": {"module": "noop-with-token"}}) as stack:
        page = visit(f"{stack.url}/")
        sign_in(page, "anything")
        ask(page, QUESTION)
        assert "systemctl restart" in said(page)


def test_what_the_access_rules_keep_from_a_user_is_not_offered(visit: Callable[..., Page], tmp_path: Path) -> None:
    rules = [{"role": "*", "actions": ["streaming_query", "feedback"]}]
    with Stack(tmp_path, ONE_WORKER | {"authorization": {"access_rules": rules}}) as stack:
        page = visit(f"{stack.url}/")
        ask(page, QUESTION)
        assert "systemctl restart" in said(page)
        expect(page.get_by_role("button", name="Not helpful")).to_be_visible()
        expect(page.get_by_role("button", name="Conversations")).to_be_hidden()
        expect(page.locator("#history")).to_be_hidden()
        expect(page.locator("#opt-out-row")).to_be_hidden()
        expect(page.locator("#problem")).to_be_empty()

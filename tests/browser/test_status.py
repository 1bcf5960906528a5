"""The status page as somebody who runs the service sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from lightspeed_stack.tally import Tally
from tests.browser.conftest import HOSTILE
from tests.browser.test_page import accessible
from tests.browser.test_sign_in import ONE_WORKER, sign_in
from tests.fakes.daemon import Ingress, Stack, collector

THIS_HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
KEYS = [
    # sha256 of "admin" and "user"
    {"user_id": "admin", "sha256": "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918"},
    {"user_id": "user", "sha256": "04f8996da763b7a969b1028ee3007569eaf3a635486ddab211d512c85b9df8fb"},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A month of records, two of them sent, two waiting."""
    folder = tmp_path_factory.mktemp("status")
    with Ingress(folder) as ingress:
        sending = {
            "enabled": True,
            "ingress_server_url": ingress.url,
            "ingress_content_service_name": "helpdesk",
            "state_dir": str(folder / "collector"),
            "status_file": str(folder / "status.json"),
        }
        overrides = {"name": "Helpdesk", "user_data_collection": {"data_collector": sending}}
        remember_a_month(folder)
        with Stack(folder, overrides) as stack:
            use(stack)
            assert collector(stack.file, "run").returncode == 0
            use(stack)
            yield stack


def remember_a_month(folder: Path) -> None:
    """A wave a day, the same for every run, but nothing in this hour."""
    (folder / "state").mkdir()
    tally = Tally(f"sqlite:///{folder}/state/conversations.db")
    for hour in range(1, 24 * 30):
        height = max(0, 10 - abs(hour % 24 - 12)) * (3 + hour // 24 % 5) // 4 + hour % 3
        begun = THIS_HOUR - timedelta(hours=hour)
        for _ in range(height):
            tally.count(begun, "transcripts")
        for number in range(height // 3):
            tally.count(begun, "feedback", "negative" if (hour + number) % 4 == 0 else "positive")
    tally.close()


def use(stack: Stack) -> None:
    told = requests.post(f"{stack.url}/v1/query", json={"query": "How do I restart nginx?"}, timeout=10).json()
    opinion = {"conversation_id": told["conversation_id"], "user_question": "q", "llm_response": "a", "sentiment": 1}
    assert requests.post(f"{stack.url}/v1/feedback", json=opinion, timeout=10).status_code == 200


def rows(page: Page, within: str) -> list[list[str]]:
    lines = page.locator(f"{within} tbody tr")
    return [line.locator("td").all_text_contents() for line in lines.all()]


def test_tells_what_waits_and_what_has_left(visit: Callable[..., Page], site: Stack) -> None:
    page = visit(f"{site.url}/status")
    expect(page.get_by_role("heading", name="Helpdesk: status")).to_be_visible()
    expect(page.locator("#collector")).to_contain_text("Records are sent to 127.0.0.1. 2 records in all.")
    assert [line[:2] for line in rows(page, "#spool")] == [["transcripts", "1"], ["feedback", "1"]]
    assert [line[1:3] for line in rows(page, "#sent")] == [["2", "1"]]
    assert [line[1:4] for line in rows(page, "#runs")] == [["done", "2", "0"]]
    assert [line[:3] for line in rows(page, "#providers")] == [["embedded/howto-cards", "2", "0"]]
    expect(page.get_by_label("Share of the limit")).to_be_visible()
    expect(page.locator("#limit")).to_contain_text("of the limit of 2 GiB")


def test_the_charts_say_the_same_as_their_tables(visit: Callable[..., Page], site: Stack) -> None:
    page = visit(f"{site.url}/status")
    told = requests.get(f"{site.url}/v1/status", timeout=10).json()
    expect(page.get_by_role("img", name="Feedback a day.")).to_be_visible()
    for place, key, names in (
        ("#hours", "hours", ("transcripts", "feedback")),
        ("#days", "days", ("positive", "negative")),
    ):
        for name in names:
            drawn = page.locator(f"{place} rect.{name}").count()
            assert drawn == sum(1 for point in told[key] if point[name]) > 20
        page.locator(f"{place} summary").click()
        numbers = [int(line[1]) for line in rows(page, place)]
        assert sum(numbers) == sum(point[names[0]] for point in told[key])
        total = f"{sum(numbers)}, "
        assert total in str(page.locator(f"{place} svg").get_attribute("aria-label"))


@pytest.mark.parametrize(
    ("width", "scheme", "picture"),
    [
        (1280, "light", "status.png"),
        (1280, "dark", "status-dark.png"),
        (400, "light", "status-phone.png"),
        (400, "dark", "status-phone-dark.png"),
    ],
)
def test_is_accessible_and_fits(
    visit: Callable[..., Page], site: Stack, width: int, scheme: str, picture: str, screenshots: Path
) -> None:
    page = visit(f"{site.url}/status", viewport={"width": width, "height": 800}, color_scheme=scheme)
    expect(page.locator("#days svg")).to_be_visible()
    page.screenshot(path=screenshots / picture, full_page=True)
    page.locator("#hours summary").click()
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_only_who_may_sees_it_and_what_is_new_after_a_while(visit: Callable[..., Page], tmp_path: Path) -> None:
    overrides = ONE_WORKER | {
        "authentication": {"module": "api-key-token", "api_key_config": {"keys": KEYS}},
        "authorization": {
            "access_rules": [{"role": "user:admin", "actions": ["get_status"]}, {"role": "*", "actions": ["query"]}]
        },
    }
    with Stack(tmp_path, overrides) as stack:
        page = visit(f"{stack.url}/status", clock=True)
        sign_in(page, "user")
        expect(page.locator("#problem")).to_contain_text("not authorized")
        expect(page.locator("#shown")).to_be_hidden()
        page.get_by_role("button", name="Sign out").click()
        sign_in(page, "admin")
        expect(page.locator("#collector")).to_contain_text("Records do not leave this host")
        expect(page.locator("#problem")).to_be_empty()
        expect(page.locator("#hours details")).to_contain_text("Nothing yet.")
        for answers in ("1", "2"):
            asked = {"query": "How do I restart nginx?"}
            requests.post(f"{stack.url}/v1/query", json=asked, headers={"Authorization": "Bearer user"}, timeout=10)
            page.clock.fast_forward(31_000)
            expect(page.locator("#providers tbody td").nth(1)).to_have_text(answers)


def test_what_the_collector_publishes_is_shown_and_never_obeyed(visit: Callable[..., Page], tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    run = {"ended_at": 1, "outcome": HOSTILE, "sent": HOSTILE, "batches": 1, "bytes": 1, "left": 0, "seconds": 1}
    file.write_text(json.dumps({"runs": [run, {}, None, 3], "sent": "nonsense", "sent_total": HOSTILE, "limits": 3}))
    with Stack(
        tmp_path, ONE_WORKER | {"user_data_collection": {"data_collector": {"status_file": str(file)}}}
    ) as stack:
        page = visit(f"{stack.url}/status")
        expect(page.locator("#runs tbody td").nth(1)).to_have_text(HOSTILE)
        assert page.locator("main img, main script").count() == 0

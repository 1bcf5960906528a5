"""The chat as a person uses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.fakes.daemon import Stack

HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script> [x](javascript:alert(3)) ![p](http://127.0.0.1:9/p.png)"
)


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask").click()


def said(page: Page, number: int = -1) -> str:
    expect(page.get_by_role("status")).to_have_text("The answer is complete.")
    return page.locator(".answer").nth(number).inner_text()


def newest(folder: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads(max(folder.glob("*.json")).read_bytes())
    return record


def test_answers_a_question(page: Page, screenshots: Path) -> None:
    ask(page, "How do I **restart** `nginx`?\n\n```\nsystemctl restart nginx\n```")
    assert "systemctl restart nginx" in said(page)
    assert page.locator(".answer strong").inner_text() == "restart"
    page.screenshot(path=screenshots / "answer.png", full_page=True)


def test_the_enter_key_asks_and_shift_enter_starts_a_line(page: Page) -> None:
    box = page.get_by_label("Your question")
    box.fill("one")
    box.press("Shift+Enter")
    box.type("two")
    assert box.input_value() == "one\ntwo"
    box.press("Enter")
    assert "one" in said(page)


def test_the_answer_comes_piece_by_piece_and_can_be_stopped(
    page: Page, stack: Stack, answer: Callable[[str], None], screenshots: Path
) -> None:
    answer("tokens-400-0.05")
    ask(page, "Count")
    expect(page.locator(".answer")).to_contain_text("word3")
    assert "word399" not in page.locator(".answer").inner_text()
    page.screenshot(path=screenshots / "streaming.png")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("Stopped.")
    expect(page.get_by_role("button", name="Ask")).to_be_enabled()
    record = newest(stack.transcripts)
    assert record["extensions"]["outcome"] == "interrupted"  # type: ignore[index]  # a parsed record
    assert "word3" in str(record["llm_response"])


def test_a_follow_up_stays_in_the_conversation_and_starting_over_leaves_it(page: Page, stack: Stack) -> None:
    ask(page, "first")
    said(page)
    first = newest(stack.transcripts)
    ask(page, "second")
    expect(page.locator(".turn")).to_have_count(2)
    said(page)
    second = newest(stack.transcripts)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(".turn")).to_have_count(0)
    ask(page, "third")
    said(page)
    ids = [record["metadata"]["conversation_id"] for record in (first, second, newest(stack.transcripts))]  # type: ignore[index]  # parsed records
    assert ids[0] == ids[1] != ids[2]


def test_a_thumb_down_with_a_reason_is_stored(page: Page, stack: Stack, screenshots: Path) -> None:
    ask(page, "Is this right?")
    said(page)
    page.get_by_role("button", name="Not helpful").click()
    page.get_by_label("Incorrect").check()
    page.get_by_label("Comment (optional)").fill("It is not: příliš")
    page.screenshot(path=screenshots / "feedback.png", full_page=True)
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_role("status")).to_contain_text("recorded")
    record = newest(stack.feedback)
    assert record["sentiment"] == -1
    assert record["categories"] == ["incorrect"]
    assert record["user_feedback"] == "It is not: příliš"
    assert record["user_question"] == "Is this right?"


def test_a_thumb_up_needs_no_reason_and_can_be_taken_back_before(page: Page, stack: Stack) -> None:
    ask(page, "Good?")
    said(page)
    up = page.get_by_role("button", name="Helpful", exact=True)
    up.click()
    expect(page.locator(".categories")).to_be_hidden()
    page.get_by_role("button", name="Cancel").click()
    expect(up).to_have_attribute("aria-pressed", "false")
    up.click()
    page.get_by_role("button", name="Send feedback").click()
    expect(up).to_be_disabled()
    assert newest(stack.feedback)["sentiment"] == 1


def test_an_earlier_conversation_is_reopened_after_a_reload_and_deleted(page: Page) -> None:
    ask(page, "Remember the blue house")
    said(page)
    page.reload()
    page.get_by_role("button", name="Conversations").click()
    page.locator("#conversations .open").first.click()
    expect(page.locator(".question")).to_have_text("Remember the blue house")
    expect(page.locator(".answer")).to_contain_text("Remember the blue house")
    page.get_by_role("button", name="Conversations").click()
    before = page.locator("#conversations li").count()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#conversations li").first.get_by_role("button", name=re.compile("^Delete")).click()
    expect(page.locator("#conversations li")).to_have_count(before - 1)
    expect(page.locator(".turn")).to_have_count(0)


def test_says_that_and_where_interactions_are_recorded(page: Page) -> None:
    expect(page.locator("#notice")).to_contain_text("Your questions and the answers are recorded on this host.")
    expect(page.locator("#notice")).to_contain_text("Records do not leave this host.")


def test_a_person_can_opt_out(page: Page, stack: Stack) -> None:
    before = len(list(stack.transcripts.glob("*.json")))
    box = page.get_by_label("Do not record my interactions")
    box.check()
    expect(page.get_by_role("status")).to_contain_text("no longer recorded")
    ask(page, "a secret between us")
    said(page)
    assert len(list(stack.transcripts.glob("*.json"))) == before
    page.reload()
    expect(box).to_be_checked()
    box.uncheck()
    expect(page.get_by_role("status")).to_contain_text("recorded from now on")


def test_markup_is_shown_and_never_obeyed(page: Page) -> None:
    alarms: list[str] = []
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    ask(page, HOSTILE)
    assert "<script>" in said(page)
    assert page.locator(".said script, .said img, .said a").count() == 0
    page.reload()
    page.get_by_role("button", name="Conversations").click()
    page.locator("#conversations .open").first.click()
    expect(page.locator(".question")).to_contain_text("<script>")
    assert page.locator(".said script, .said img, .said a").count() == 0
    assert alarms == []
    assert not any(":9/" in url for url in requests)


def test_a_hostile_title_is_text(page: Page, stack: Stack) -> None:
    ask(page, "title me")
    said(page)
    record = newest(stack.transcripts)
    conversation = record["metadata"]["conversation_id"]  # type: ignore[index]  # a parsed record
    page.request.put(f"{stack.url}/v1/conversations/{conversation}", data={"topic_summary": HOSTILE})
    page.get_by_role("button", name="Conversations").click()
    expect(page.locator("#conversations .open").first).to_have_text(HOSTILE)
    assert page.locator("#conversations img, #conversations script").count() == 0


def test_a_failure_is_told_and_the_question_kept(page: Page, answer: Callable[[str], None]) -> None:
    answer("status-500")
    ask(page, "Will this work?")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_role("button", name="Ask")).to_be_enabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_is_accessible_and_fits(page: Page, scheme: str, width: int, screenshots: Path) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the literals
    ask(page, "A long word: " + "x" * 300 + "\n\n```\n" + "long line " * 60 + "\n```")
    said(page)
    page.get_by_role("button", name="Not helpful").click()
    page.get_by_role("button", name="Conversations").click()
    expect(page.locator("#history")).to_be_visible()
    violations = Axe().run(page).response["violations"]
    assert [(found["id"], [node["target"] for node in found["nodes"]]) for found in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=screenshots / f"page-{width}-{scheme}.png", full_page=True)


def test_works_by_keyboard_alone(page: Page) -> None:
    page.keyboard.type("typed")  # the question has the focus when the page opens
    page.keyboard.press("Enter")
    said(page)
    for _ in range(20):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.textContent") == "Helpful":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("form", name="Feedback")).to_be_visible()


def test_the_api_is_documented_offline(page: Page, stack: Stack, screenshots: Path) -> None:
    foreign: list[str] = []
    page.on(
        "request",
        lambda request: None if request.url.startswith((stack.url, "data:", "blob:")) else foreign.append(request.url),
    )
    page.goto(stack.url + "/docs")
    expect(page.get_by_text("/v1/query", exact=True).first).to_be_visible()
    page.screenshot(path=screenshots / "docs.png")
    assert foreign == []


def test_a_switched_off_feedback_shows_no_thumbs(page: Page, stack: Stack) -> None:
    page.request.put(f"{stack.url}/v1/feedback/status", data={"status": False})
    try:
        page.reload()
        expect(page.locator("#notice")).to_contain_text("Feedback is switched off.")
        ask(page, "no thumbs")
        said(page)
        expect(page.locator(".thumbs")).to_be_hidden()
    finally:
        page.request.put(f"{stack.url}/v1/feedback/status", data={"status": True})


def test_a_key_is_asked_for_where_one_is_needed(browser: Browser, tmp_path: Path) -> None:
    authentication = {"module": "api-key-token", "api_key_config": {"api_key": "hunter2"}}
    with Stack(tmp_path, {"authentication": authentication}) as stack:
        context = browser.new_context()
        page = context.new_page()
        page.goto(stack.url + "/")
        ask(page, "How do I restart a service?")
        page.get_by_label("Your key or token").fill("hunter2")
        page.get_by_role("button", name="Use it").click()
        expect(page.get_by_label("Your question")).to_have_value("How do I restart a service?")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("status")).to_have_text("The answer is complete.")
        context.close()

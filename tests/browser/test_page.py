"""The chat as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import HOSTILE
from tests.fakes.daemon import Stack

COMPLETE = "The answer is complete."
LONG = "A long word: " + "x" * 300 + "\n\n```\n" + "long line " * 60 + "\n```\n\n" + "| a | b |\n|---|---|\n| 1 | 2 |\n"


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask").click()


def said(page: Page) -> str:
    expect(page.get_by_role("status")).to_have_text(COMPLETE)
    return page.locator(".answer").last.inner_text()


def newest(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(max(folder.glob("[!.]*.json")).read_bytes())
    return record


def conversation_of(record: dict[str, Any]) -> str:
    return str(record["metadata"]["conversation_id"])


def entry(page: Page, title: str) -> Locator:
    return page.locator("#conversations li", has_text=title)


def test_an_answer_is_drawn_from_its_markdown(page: Page, screenshots: Path) -> None:
    ask(
        page,
        "How do I **restart** `nginx`?\n\n```\nsystemctl restart nginx\n```\n\n# Loud\n\n[more](https://example.com/)",
    )
    assert "systemctl restart nginx" in said(page)
    answer = page.locator(".answer")
    assert answer.locator("strong").inner_text() == "restart"
    assert answer.locator("h4").inner_text() == "Loud"
    link = answer.get_by_role("link", name="more")
    assert (link.get_attribute("rel"), link.get_attribute("target")) == ("noreferrer noopener", "_blank")
    page.screenshot(path=screenshots / "answer.png")


def test_a_block_of_code_is_copied(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "```\nid -un\n```")
    said(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "id -un\n"


def test_the_enter_key_asks_and_shift_enter_starts_a_line(page: Page) -> None:
    box = page.get_by_label("Your question")
    box.fill("one")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    expect(box).to_have_value("one\ntwo")
    box.press("Enter")
    assert "one" in said(page)
    expect(box).to_have_value("")


def test_the_answer_comes_piece_by_piece_and_can_be_stopped(
    page: Page, stack: Stack, answer: Callable[[str], None], screenshots: Path
) -> None:
    answer("tokens-400-0.02")
    ask(page, "Count")
    expect(page.locator(".answer")).to_contain_text("word3")
    assert "word399" not in page.locator(".answer").inner_text()
    expect(page.get_by_role("status")).to_have_text("Waiting for the answer.")
    page.screenshot(path=screenshots / "streaming.png")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("Stopped.")
    expect(page.get_by_role("button", name="Ask")).to_be_enabled()
    record = newest(stack.transcripts)
    assert record["extensions"]["outcome"] == "interrupted"
    assert "word3" in record["llm_response"]
    assert "word399" not in record["llm_response"]


def test_a_follow_up_stays_in_the_conversation_and_starting_over_leaves_it(page: Page, stack: Stack) -> None:
    conversations = []
    for question in ("first", "second"):
        ask(page, question)
        expect(page.locator(".answer").last).to_contain_text(question)
        said(page)
        conversations.append(conversation_of(newest(stack.transcripts)))
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(".turn")).to_have_count(0)
    ask(page, "third")
    said(page)
    conversations.append(conversation_of(newest(stack.transcripts)))
    assert conversations[0] == conversations[1] != conversations[2]


def test_starting_over_while_an_answer_comes_leaves_it(page: Page, answer: Callable[[str], None]) -> None:
    answer("tokens-400-0.02")
    ask(page, "Count")
    expect(page.locator(".answer")).to_contain_text("word1")
    page.get_by_role("button", name="Start over").click()
    answer("echo")
    ask(page, "something else")
    assert said(page) == "something else"
    expect(page.locator(".turn")).to_have_count(1)


def test_a_thumb_down_with_a_reason_is_stored(page: Page, stack: Stack, screenshots: Path) -> None:
    ask(page, "Is this right?")
    said(page)
    page.get_by_role("button", name="Not helpful").click()
    page.get_by_label("Incorrect").check()
    page.get_by_label("Comment (optional)").fill("It is not: příliš")
    page.screenshot(path=screenshots / "feedback.png")
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_role("status")).to_have_text("Thank you: your feedback is recorded.")
    record = newest(stack.feedback)
    assert record["sentiment"] == -1
    assert record["categories"] == ["incorrect"]
    assert record["user_feedback"] == "It is not: příliš"
    assert record["user_question"] == record["llm_response"] == "Is this right?"
    assert record["conversation_id"] == conversation_of(newest(stack.transcripts))


def test_a_thumb_up_needs_no_reason_and_can_be_taken_back_before(page: Page, stack: Stack) -> None:
    ask(page, "Good?")
    said(page)
    up = page.get_by_role("button", name="Helpful", exact=True)
    up.click()
    expect(up).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".categories")).to_be_hidden()
    page.get_by_label("Comment (optional)").press("Escape")
    expect(up).to_have_attribute("aria-pressed", "false")
    expect(up).to_be_focused()
    up.click()
    page.get_by_role("button", name="Send feedback").click()
    expect(up).to_be_disabled()
    record = newest(stack.feedback)
    assert (record["sentiment"], record["user_feedback"], record["categories"]) == (1, None, None)


def test_feedback_that_is_not_stored_is_told_and_not_lost(page: Page, stack: Stack) -> None:
    ask(page, "Stored?")
    said(page)
    page.get_by_role("button", name="Helpful", exact=True).click()
    page.get_by_label("Comment (optional)").fill("kept")
    page.request.put(f"{stack.url}/v1/feedback/status", data={"status": False})
    try:
        page.get_by_role("button", name="Send feedback").click()
        expect(page.get_by_role("form", name="Feedback").get_by_role("alert")).to_contain_text("disabled")
    finally:
        page.request.put(f"{stack.url}/v1/feedback/status", data={"status": True})
    expect(page.get_by_label("Comment (optional)")).to_have_value("kept")
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_role("status")).to_contain_text("recorded")
    assert newest(stack.feedback)["user_feedback"] == "kept"


def test_a_reload_comes_back_to_the_conversation(page: Page) -> None:
    ask(page, "Remember the blue house")
    said(page)
    page.reload()
    expect(page.locator(".question")).to_have_text("Remember the blue house")
    expect(page.locator(".answer")).to_have_text("Remember the blue house")
    ask(page, "And the red one")
    expect(page.locator(".turn")).to_have_count(2)


def test_an_earlier_conversation_is_reopened_and_deleted(page: Page, stack: Stack) -> None:
    ask(page, "The green house")
    said(page)
    page.get_by_role("button", name="Start over").click()
    entry(page, "The green house").locator(".open").click()
    expect(page.locator(".question")).to_have_text("The green house")
    expect(page.get_by_role("button", name="Not helpful")).to_be_visible()
    expect(entry(page, "The green house")).to_have_attribute("aria-current", "true")
    page.once("dialog", lambda dialog: dialog.dismiss())
    entry(page, "The green house").get_by_role("button", name="Delete").click()
    expect(page.locator(".turn")).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    entry(page, "The green house").get_by_role("button", name="Delete").click()
    expect(entry(page, "The green house")).to_have_count(0)
    expect(page.locator(".turn")).to_have_count(0)
    page.reload()
    expect(page.locator("#welcome")).to_be_visible()


def test_a_conversation_that_is_gone_is_a_new_one(visit: Callable[..., Page], stack: Stack) -> None:
    page = visit(f"{stack.url}/#c5260aec-4d82-4370-9fdf-05cf908b3f16")
    expect(page.locator("#welcome")).to_be_visible()
    ask(page, "afresh")
    assert said(page) == "afresh"


def test_says_what_is_recorded_and_that_it_stays(page: Page) -> None:
    summary = "Your questions, answers and feedback are recorded on this host and not sent anywhere."
    expect(page.locator("#recorded")).to_have_text(summary)
    expect(page.locator("#welcome .notice")).to_contain_text("They bear a pseudonym instead of your name.")


def test_a_person_can_opt_out(page: Page, stack: Stack, screenshots: Path) -> None:
    before = len(list(stack.transcripts.glob("[!.]*.json")))
    box = page.get_by_label("Do not record my interactions")
    page.locator("#privacy summary").click()
    box.check()
    expect(page.get_by_role("status")).to_have_text("Your interactions are no longer recorded.")
    try:
        ask(page, "a secret between us")
        said(page)
        expect(page.locator(".thumbs")).to_be_hidden()
        expect(page.locator("#recorded")).to_have_text("Not recorded: you have switched it off.")
        page.screenshot(path=screenshots / "opted-out.png")
        assert len(list(stack.transcripts.glob("[!.]*.json"))) == before
        page.reload()
        expect(page.locator("#recorded")).to_contain_text("Not recorded")
        page.locator("#privacy summary").click()
        expect(box).to_be_checked()
    finally:
        box.uncheck()
    expect(page.get_by_role("status")).to_have_text("Your interactions are recorded from now on.")
    ask(page, "no secret")
    said(page)
    assert len(list(stack.transcripts.glob("[!.]*.json"))) == before + 1


@pytest.fixture
def alarms(page: Page) -> list[str]:
    """What scripts of a question, an answer or a document say when they run."""
    heard: list[str] = []
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    return heard


def harmless(place: Locator) -> None:
    assert place.locator("script, img, iframe, [onerror]").count() == 0
    assert {link.get_attribute("href") for link in place.locator("a").all()} <= {"http://127.0.0.1:9/p.png"}


def test_markup_in_question_and_answer_is_shown_and_never_obeyed(page: Page, alarms: list[str]) -> None:
    ask(page, HOSTILE)
    assert "<script>alert(2)</script>" in said(page)
    harmless(page.locator("#log"))
    page.reload()
    expect(page.locator(".question")).to_have_text(HOSTILE)
    harmless(page.locator("#log"))
    assert alarms == []


def test_a_hostile_document_is_named_and_never_obeyed(page: Page, alarms: list[str]) -> None:
    ask(page, "quagga okapi")
    assert "The quagga and the okapi." in said(page)
    expect(page.locator(".sources li")).to_have_text(HOSTILE)
    expect(page.locator(".sources a")).to_have_count(0)
    harmless(page.locator(".sources"))
    assert page.locator(".answer script, .answer img").count() == 0
    assert alarms == []


def test_a_hostile_title_is_text(page: Page, stack: Stack, alarms: list[str]) -> None:
    ask(page, "title me")
    said(page)
    conversation = conversation_of(newest(stack.transcripts))
    page.request.put(f"{stack.url}/v1/conversations/{conversation}", data={"topic_summary": HOSTILE})
    page.reload()
    expect(page.locator("#conversations .open").first).to_have_text(HOSTILE)
    harmless(page.locator("#history"))
    assert alarms == []


def test_a_failure_is_told_and_the_question_kept(page: Page, answer: Callable[[str], None]) -> None:
    answer("status-500")
    ask(page, "Will this work?")
    expect(page.locator("#problem")).not_to_be_empty()
    expect(page.get_by_label("Your question")).to_have_value("Will this work?")
    expect(page.locator(".turn")).to_have_count(0)
    answer("echo")
    page.get_by_role("button", name="Ask").click()
    assert said(page) == "Will this work?"
    expect(page.locator("#problem")).to_be_empty()


def test_what_was_said_before_a_failure_stays(page: Page, answer: Callable[[str], None]) -> None:
    answer("error-after-tokens")
    ask(page, "Will this end?")
    expect(page.locator("#problem")).not_to_be_empty()
    expect(page.locator(".answer")).to_have_text("Hello from fake")
    expect(page.get_by_role("button", name="Ask")).to_be_enabled()


def test_a_server_that_is_gone_is_told(visit: Callable[..., Page], stack: Stack) -> None:
    page = visit(f"{stack.url}/", offline=False)
    expect(page.locator("#welcome")).to_be_visible()
    page.context.set_offline(True)
    ask(page, "Anybody there?")
    expect(page.locator("#problem")).to_have_text("The server can't be reached.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Ask").click()
    assert said(page) == "Anybody there?"


def test_nobody_asks_before_it_is_told_what_is_recorded(page: Page) -> None:
    page.route("**/settings.json", lambda route: route.abort(), times=1)
    page.reload()
    expect(page.locator("#unready")).to_have_text("The server can't be reached. Trying again.")
    expect(page.get_by_label("Your question")).to_be_hidden()
    expect(page.locator("#welcome .notice")).to_contain_text("recorded")
    expect(page.locator("#unready")).to_be_empty()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_is_accessible_and_fits(
    visit: Callable[..., Page], stack: Stack, scheme: str, width: int, screenshots: Path
) -> None:
    page = visit(f"{stack.url}/", viewport={"width": width, "height": 800}, color_scheme=scheme)
    expect(page.locator("#welcome")).to_be_visible()
    if width == 1280:
        accessible(page)
    ask(page, LONG)
    said(page)
    page.get_by_role("button", name="Not helpful").click()
    page.locator("#privacy summary").click()
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=screenshots / f"chat-{width}-{scheme}.png")
    if width == 400:
        page.get_by_role("button", name="Conversations").click()
        accessible(page)
    expect(page.locator("#history")).to_be_visible()


def accessible(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert [(found["id"], [node["target"] for node in found["nodes"]]) for found in violations] == []


def test_works_by_keyboard_alone(page: Page) -> None:
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("typed")
    page.keyboard.press("Enter")
    said(page)
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Helpful", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Comment (optional)")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("recorded")


def test_an_answer_is_read_out_once_when_it_is_complete(page: Page, answer: Callable[[str], None]) -> None:
    answer("tokens-10-0.01")
    ask(page, "Speak")
    said(page)
    expect(page.locator("[aria-live=polite]#spoken")).to_contain_text("word0 word1")


def test_the_api_is_documented_offline(visit: Callable[..., Page], stack: Stack, screenshots: Path) -> None:
    page = visit(f"{stack.url}/docs")
    expect(page.get_by_text("/v1/query", exact=True).first).to_be_visible()
    page.screenshot(path=screenshots / "docs.png")


def test_a_switched_off_feedback_shows_no_thumbs(page: Page, stack: Stack) -> None:
    page.request.put(f"{stack.url}/v1/feedback/status", data={"status": False})
    try:
        page.reload()
        expect(page.locator("#welcome .notice")).to_contain_text("Feedback is switched off.")
        ask(page, "no thumbs")
        said(page)
        expect(page.locator(".thumbs")).to_be_hidden()
    finally:
        page.request.put(f"{stack.url}/v1/feedback/status", data={"status": True})


def test_works_under_a_root_path_and_shows_sources(
    visit: Callable[..., Page], tmp_path: Path, screenshots: Path
) -> None:
    with Stack(tmp_path, {"name": "Helpdesk", "service": {"workers": 1, "root_path": "/assistant"}}) as stack:
        page = visit(f"{stack.url}/assistant/", viewport={"width": 1280, "height": 860})
        ask(page, "Which process listens on port 80?")
        said(page)
        page.get_by_role("button", name="Start over").click()
        ask(page, "How do I restart nginx?")
        assert "systemctl restart" in said(page)
        expect(page.locator(".sources li")).to_have_count(1)
        expect(page.locator("#conversations li")).to_have_count(2)
        page.screenshot(path=screenshots / "chat.png")
        phone = visit(page.url, viewport={"width": 400, "height": 860}, color_scheme="dark", has_touch=True)
        expect(phone.locator(".answer")).to_contain_text("systemctl restart")
        phone.screenshot(path=screenshots / "phone.png")

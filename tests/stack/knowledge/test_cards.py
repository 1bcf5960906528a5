"""The cards that ship with the package: each is whole, found by its own title, and of a size to be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lightspeed_stack.knowledge import CARDS
from lightspeed_stack.knowledge.documents import read
from lightspeed_stack.providers.embedded import THRESHOLD
from lightspeed_stack.retriever import Index

FILES = sorted(CARDS.glob("*.md"))
TITLES = {file.name: read(file)[0].title for file in FILES}
DANGEROUS = re.compile(
    r"^(sudo )?(dd .*of=/dev/|mkfs|wipefs|cryptsetup luksFormat|pvcreate|.*sysrq-trigger|.*-delete$)", re.M
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = Index(tmp_path_factory.mktemp("cards") / "documents.db")
    index.refresh([CARDS])
    return index


def test_there_are_enough_and_no_title_is_there_twice() -> None:
    assert len(FILES) >= 120
    assert len(set(TITLES.values())) == len(FILES)


def test_each_is_one_passage_with_keywords_commands_and_a_pitfall() -> None:
    assert [file.name for file in FILES if not whole(file)] == []


def whole(file: Path) -> bool:
    (passage,) = read(file)
    fences = re.findall(r"^```", passage.body, re.M)
    sized = len(passage.keywords.split()) >= 6 and 50 <= len(passage.body.split()) <= 230
    return sized and len(fences) >= 2 and len(fences) % 2 == 0 and "Pitfall: " in passage.body


def test_dangerous_commands_stand_behind_a_warning() -> None:
    assert [file.name for file in FILES if not warned(file.read_text())] == []


def warned(text: str) -> bool:
    dangerous = DANGEROUS.search(text)
    return dangerous is None or "**Warning:**" in text[: dangerous.start()]


def test_each_is_found_by_its_title(index: Index) -> None:
    assert [name for name in TITLES if not found_by_title(index, name)] == []


def found_by_title(index: Index, name: str) -> bool:
    found = index.search(TITLES[name], top_k=2)
    return f"cards/{name}" in {chunk.source for chunk in found} and found[0].score >= THRESHOLD


def test_cards_about_this_product_leave_general_questions_alone() -> None:
    assert [file.name for file in FILES if file.name.startswith("product-") != bool(read(file)[0].subject)] == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How do I restart a systemd service?", "restart-service"),
        ("How do I see what fills my disk?", "large-files disk-space"),
        ("What is my IP address?", "show-ip-address"),
        ("How do I install a package?", "install-package"),
        ("How do I update my system?", "update-system"),
        ("add a user", "create-user"),
    ],
)
def test_first_questions_of_a_newcomer_are_answered(index: Index, question: str, expected: str) -> None:
    (found,) = index.search(question, top_k=1)
    assert Path(found.source).stem in expected.split()
    assert found.score >= THRESHOLD

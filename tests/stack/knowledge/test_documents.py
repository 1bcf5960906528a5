"""Markdown as passages: titles, front matter, and where long documents are cut."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightspeed_stack.knowledge import documents
from lightspeed_stack.knowledge.documents import Passage, find, read


def written(directory: Path, name: str, text: str) -> Path:
    file = directory / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return file


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * count)


def test_front_matter_gives_title_keywords_and_url(tmp_path: Path) -> None:
    file = written(
        tmp_path, "a.md", '---\ntitle: "Ports: see them"\nkeywords: ss, netstat\nurl: https://x.test/a\n---\n\nBody.\n'
    )
    assert read(file) == [Passage("Ports: see them", "ss, netstat", "Body.", "https://x.test/a")]


@pytest.mark.parametrize(
    "head", ["tags: [billing, invoice]", "keywords:\n  - billing\n  - invoice", "Keywords: 'billing invoice'"]
)
def test_keywords_may_be_a_list_and_be_called_tags(tmp_path: Path, head: str) -> None:
    (passage,) = read(written(tmp_path, "a.md", f"---\ntitle: T\n{head}\n---\nBody"))
    assert passage.keywords.replace(",", "") == "billing invoice"


def test_title_is_the_first_heading_without_front_matter(tmp_path: Path) -> None:
    (passage,) = read(written(tmp_path, "a.md", "Intro\n\n## The queue ##\n\nText"))
    assert passage.title == "The queue"
    assert passage.body == "Intro\n\n## The queue ##\n\nText"


def test_title_is_the_file_name_when_there_is_no_heading(tmp_path: Path) -> None:
    (passage,) = read(written(tmp_path, "restart-the_queue.txt", "Just text"))
    assert passage.title == "restart the queue"


def test_heading_inside_code_is_no_title(tmp_path: Path) -> None:
    (passage,) = read(written(tmp_path, "a.md", "```\n# not this\n```\n\n# This\n"))
    assert passage.title == "This"


def test_unfinished_front_matter_is_text(tmp_path: Path) -> None:
    (passage,) = read(written(tmp_path, "a.md", "---\ntitle: T\n\nBody"))
    assert passage.title == "a"
    assert "title: T" in passage.body


def test_carriage_returns_and_byte_order_marks_are_taken_away(tmp_path: Path) -> None:
    (passage,) = read(written(tmp_path, "a.md", "\ufeff---\r\ntitle: T\r\n---\r\nA\r\nB"))
    assert (passage.title, passage.body) == ("T", "A\nB")


def test_bytes_that_are_not_utf8_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"# T\xfc\n\nB\xe4r")
    (passage,) = read(tmp_path / "a.md")
    assert passage.title == "T\ufffd"


def test_empty_file_has_no_passage(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.md", "---\ntitle: T\n---\n\n")) == []


def test_long_document_is_cut_at_headings(tmp_path: Path) -> None:
    text = f"# Manual\n\nIntro\n\n## Start\n\n{words(200, 'start')}\n\n## Stop\n\n{words(200, 'stop')}\n"
    passages = read(written(tmp_path, "a.md", text))
    assert [passage.title for passage in passages] == ["Manual", "Manual: Start", "Manual: Stop"]
    assert passages[2].body == words(200, "stop")


def test_code_is_never_cut(tmp_path: Path) -> None:
    code = "```\n# a comment, no heading\n\n" + "\n\n".join(words(100) for _ in range(12)) + "\n```"
    passages = read(written(tmp_path, "a.md", f"# T\n\n{code}\n\nafter\n\n{words(300)}"))
    assert passages[0].body == code
    assert passages[1].body.startswith("after")


def test_section_without_headings_is_cut_between_paragraphs(tmp_path: Path) -> None:
    paragraphs = [words(100, f"w{number}") for number in range(20)]
    passages = read(written(tmp_path, "a.md", "\n\n".join(paragraphs)))
    assert "\n\n".join(passage.body for passage in passages) == "\n\n".join(paragraphs)
    assert all(len(passage.body.split()) <= documents.LONGEST + 100 for passage in passages)


@settings(max_examples=60)
@given(text=st.text(max_size=400))
def test_any_text_is_read_into_passages_with_something_in_them(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = written(tmp_path_factory.getbasetemp(), "any.md", text.encode("utf-8", "replace").decode())
    assert all(passage.body.strip() for passage in read(file))


def test_find_lists_documents_with_their_stamps(tmp_path: Path) -> None:
    file = written(tmp_path, "sub/b.markdown", "x")
    written(tmp_path, "a.md", "x")
    for ignored in (".hidden.md", ".git/c.md", "d.pdf", "e"):
        written(tmp_path, ignored, "x")
    found = find(tmp_path)
    assert sorted(found) == ["a.md", "sub/b.markdown"]
    assert found["sub/b.markdown"] == (file.stat().st_mtime_ns, 1)


def test_find_follows_no_link_to_a_folder(tmp_path: Path) -> None:
    written(tmp_path, "outside/a.md", "x")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    assert find(tmp_path / "inside") == {}


def test_missing_folder_is_an_empty_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert find(tmp_path / "nowhere") == {}
    assert caplog.records == []


def test_what_cannot_be_indexed_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "dangling.md").symlink_to("nowhere.md")
    with open(tmp_path / "huge.md", "wb") as file:
        file.truncate(documents.MAX_FILE_BYTES + 1)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_text("x")
    written(tmp_path, "good.md", "x")
    assert list(find(tmp_path)) == ["good.md"]
    assert len(caplog.records) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(tmp_path, "secret.md", "x").chmod(0)
    assert find(tmp_path) == {}
    assert "secret.md" in caplog.text


def test_front_matter_gives_further_titles_and_a_subject(tmp_path: Path) -> None:
    (passage,) = read(written(tmp_path, "a.md", "---\ntitle: A\nalso: x y; z;\nsubject: billing\n---\n\nBody.\n"))
    assert (passage.also, passage.subject) == (("x y", "z"), "billing")

"""Searching: any text, any number of threads and processes, and a file that changes or breaks meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import errors
from lightspeed_stack.knowledge import CARDS
from lightspeed_stack.retriever import READERS, Index


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = Index(tmp_path_factory.mktemp("cards") / "documents.db")
    index.refresh([CARDS])
    return index


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    directory = tmp_path / "runbooks"
    directory.mkdir()
    write(
        directory,
        "queue.md",
        "---\ntitle: Restart the queue\nkeywords: stuck jobs\nurl: https://x.test/q\n---\nqueuectl restart\n",
    )
    write(directory, "cache.md", "# Empty the cache\n\ncachectl empty\n")
    return directory


@pytest.fixture
def index(tmp_path: Path, docs: Path) -> Index:
    index = Index(tmp_path / "documents.db")
    index.refresh([docs])
    return index


def write(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(text)


def sources(index: Index, text: str) -> list[str]:
    return [chunk.source for chunk in index.search(text)]


# what is found


def test_passage_comes_with_everything_that_a_reader_needs(index: Index) -> None:
    (chunk,) = index.search("restart a stuck queue")
    assert (chunk.title, chunk.content, chunk.url) == ("Restart the queue", "queuectl restart", "https://x.test/q")
    assert chunk.source == "runbooks/queue.md"
    assert chunk.attributes == {"document_id": "runbooks/queue.md"}
    assert 0.5 < chunk.score <= 1


def test_best_comes_first_and_no_more_than_asked_for(cards: Index) -> None:
    found = cards.search("restart nginx service", top_k=3)
    assert len(found) == 3
    assert found[0].source == "cards/restart-service.md"
    assert [chunk.score for chunk in found] == sorted((chunk.score for chunk in found), reverse=True)


def test_words_are_found_in_any_form(index: Index) -> None:
    assert sources(index, "Emptying caches") == ["runbooks/cache.md"]


def test_minimum_score_leaves_out_what_fits_badly(cards: Index) -> None:
    everything, good = cards.search("mount disk", 20), cards.search("mount disk", 20, min_score=0.4)
    assert len(everything) > len(good) > 0
    assert all(chunk.score >= 0.4 for chunk in good)


def test_nothing_fits_a_question_about_something_else(cards: Index) -> None:
    assert all(chunk.score < 0.3 for chunk in cards.search("the symptoms of measles"))


@pytest.mark.parametrize("text", ["", "   ", "???", "the of and", "\x00", "\ud800", "'\"; DROP TABLE words; --"])
def test_text_without_informative_words_finds_nothing(index: Index, text: str) -> None:
    assert index.search(text) == ()


@pytest.mark.parametrize(
    "text",
    ['" OR NEAR(queue', "title:queue", "queue*", "-queue", "queue AND (", "{title}: queue", "^queue", "queue\x00"],
)
def test_search_syntax_is_only_text(index: Index, text: str) -> None:
    assert sources(index, text) == ["runbooks/queue.md"]


@given(text=st.text(max_size=300) | st.text('"*()^:-+{}ANDORNOTERestartqueue ', max_size=60))
def test_any_text_may_be_asked(cards: Index, text: str) -> None:
    assert all(0 <= chunk.score <= 1 for chunk in cards.search(text))


def test_huge_text_is_not_slow(cards: Index) -> None:
    text = " ".join(f"restart{number} nginx disk port" for number in range(100_000))
    began = time.perf_counter()
    cards.search(text)
    assert time.perf_counter() - began < 1


def test_terms_tell_what_the_index_knows_of_a_question(index: Index) -> None:
    assert index.terms("Please restart the unicorn queues") == {"restart": 1, "unicorn": 0, "queue": 1}


# the file


def test_count_tells_documents_and_passages(index: Index) -> None:
    assert index.count() == (2, 2)


def test_only_the_directories_of_the_last_refresh_are_searched(index: Index, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", "o.md", "# Restart the engine\n\nx")
    other = Index(tmp_path / "documents.db")
    other.refresh([tmp_path / "other"])
    assert sources(other, "restart") == ["other/o.md"]
    assert sources(index, "restart") == ["runbooks/queue.md"]


def test_added_directories_are_searched_by_everybody_at_once(index: Index, tmp_path: Path) -> None:
    assert sources(index, "engine") == []
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", "o.md", "# Restart the engine\n\nx")
    Index(tmp_path / "documents.db").add([tmp_path / "more"])
    assert sources(index, "engine") == ["more/o.md"]


def test_document_that_is_gone_is_found_no_more(index: Index, docs: Path) -> None:
    (docs / "queue.md").unlink()
    assert index.refresh([docs])
    assert index.search("queue") == ()


def test_index_without_a_file_makes_it_when_asked(tmp_path: Path, docs: Path) -> None:
    index = Index(tmp_path / "documents.db")
    index.refresh([docs])
    (tmp_path / "documents.db").unlink()
    assert sources(index, "queue") == ["runbooks/queue.md"]


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "zeros"])
def test_damaged_file_is_made_anew(index: Index, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "documents.db"
    data = file.read_bytes()
    damaged = {
        "garbage": b"garbage" * 1000,
        "empty": b"",
        "truncated": data[: len(data) // 2],
        "zeros": data[:8192] + bytes(len(data) - 8192),
    }
    file.write_bytes(damaged[damage])
    assert sources(index, "queue") == ["runbooks/queue.md"]
    assert sources(Index(file), "queue") == []


def test_index_that_can_be_neither_read_nor_made_is_an_error(tmp_path: Path, docs: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.DatabaseFailed):
        Index(tmp_path / "file" / "documents.db").search("queue")
    with pytest.raises(errors.DatabaseFailed):
        Index(tmp_path / "file" / "documents.db").count()


def test_refresh_of_a_fresh_index_is_quick(cards: Index, tmp_path: Path) -> None:
    cards.refresh([CARDS])
    began = time.perf_counter()
    assert not cards.refresh([CARDS])
    assert time.perf_counter() - began < 0.5


# many at once


def test_threads_share_an_index(cards: Index) -> None:
    questions = ["restart nginx", "disk full", "open a firewall port", "list users logged in"] * 25
    expected = [cards.search(question) for question in questions]
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(cards.search, questions)) == expected


def test_open_files_do_not_grow_with_threads(index: Index, tmp_path: Path) -> None:
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(index.search, ["restart the queue"] * 200))
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert 1 <= opened.count(os.path.realpath(tmp_path / "documents.db")) <= READERS


def test_searching_goes_on_while_the_index_is_renewed(index: Index, docs: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(sources, index, "queue") for _ in range(200)]
        for number in range(10):
            write(docs, f"n{number}.md", f"# Number {number}\n\nx")
            index.refresh([docs])
        assert all(answer.result() == ["runbooks/queue.md"] for answer in answers)


def test_forked_process_opens_its_own(tmp_path: Path, docs: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from lightspeed_stack.retriever import Index\n"
        "index = Index(Path(sys.argv[1])); index.refresh([Path(sys.argv[2])]); index.search('queue')\n"
        "child = os.fork()\n"
        "found = [chunk.source for chunk in index.search('queue')]\n"
        "if child: os.waitpid(child, 0)\n"
        "print(found, flush=True)\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "f.db"), str(docs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['runbooks/queue.md']"] * 2
    assert done.stderr == ""


def test_closed_index_can_be_asked_again(index: Index) -> None:
    index.search("queue")
    index.close()
    assert sources(index, "queue") == ["runbooks/queue.md"]

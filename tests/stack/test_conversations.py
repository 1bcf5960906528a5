"""Conversations, on SQLite and on a real PostgreSQL: who owns them, what was said, and errors that tell no secret."""

from __future__ import annotations

import dataclasses
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from lightspeed_stack.conversations import Conversation, Conversations, ConversationsError, Foreign, Turn
from tests.fakes import postgres

ID = "ad14e9de-72d6-42a3-98bf-017e9c0a6b89"
OTHER = "bd14e9de-72d6-42a3-98bf-017e9c0a6b89"
NOW = datetime(2026, 11, 22, 7, 5, 42, 4143, tzinfo=UTC)
TURN = Turn("How?", "So.", "openai", "gpt-4o-mini", NOW, NOW + timedelta(seconds=3))


def turn(number: int) -> Turn:
    later = timedelta(minutes=number)
    return dataclasses.replace(TURN, question=f"q{number}", started_at=NOW + later, completed_at=NOW + later)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    why = postgres.missing()
    if why:
        pytest.skip(f"no PostgreSQL: {why}")
    started = postgres.Postgres()
    try:
        started.start()
        yield started
    finally:
        started.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/conversations.db"
    server: postgres.Postgres = request.getfixturevalue("server")
    server.execute("DROP SCHEMA public CASCADE")
    server.execute("CREATE SCHEMA public")
    return server.url


@pytest.fixture
def conversations(url: str) -> Conversations:
    return Conversations(url)


# what is remembered


def test_first_turn_begins_the_conversation(conversations: Conversations) -> None:
    assert conversations.get(ID) is None
    assert conversations.history(ID) == ()
    conversations.remember(ID, "alice", TURN)
    assert conversations.get(ID) == Conversation(
        id=ID,
        user_id="alice",
        topic_summary=None,
        last_used_provider="openai",
        last_used_model="gpt-4o-mini",
        created_at=NOW,
        last_message_at=NOW + timedelta(seconds=3),
        message_count=1,
    )
    assert conversations.history(ID) == (TURN,)


def test_further_turns_follow_in_order_and_the_last_model_is_known(conversations: Conversations) -> None:
    turns = [turn(number) for number in range(12)]
    turns.append(dataclasses.replace(turn(12), provider="vllm", model="granite"))
    for each in turns:
        conversations.remember(ID, "alice", each)
    assert conversations.history(ID) == tuple(turns)
    found = conversations.get(ID)
    assert found
    assert (found.last_used_provider, found.last_used_model, found.message_count) == ("vllm", "granite", 13)
    assert (found.created_at, found.last_message_at) == (NOW, NOW + timedelta(minutes=12))


@pytest.mark.parametrize(
    ("after", "up_to", "expected"), [(0, 0, []), (4, 5, [4]), (2, 9, [2, 3, 4]), (0, 2, [0, 1]), (7, 9, [])]
)
def test_some_turns_can_be_had_alone(conversations: Conversations, after: int, up_to: int, expected: list[int]) -> None:
    for number in range(5):
        conversations.remember(ID, "alice", turn(number))
    assert conversations.history(ID, after, up_to) == tuple(map(turn, expected))


def test_one_that_is_begun_before_anything_is_said(conversations: Conversations) -> None:
    conversations.open(ID, "alice", ("openai", "gpt-4o-mini"), NOW, "Why \udcff?")
    assert conversations.list("alice") == ()
    assert conversations.has(ID)
    assert conversations.history(ID) == ()
    assert conversations.go_on(ID, "alice", TURN)
    [listed] = conversations.list("alice")
    assert (listed.topic_summary, listed.message_count, listed.created_at) == ("Why ??", 1, NOW)
    assert conversations.history(ID) == (TURN,)


def test_one_in_which_nothing_was_said_is_closed(conversations: Conversations) -> None:
    conversations.remember(OTHER, "alice", TURN)
    conversations.open(ID, "alice", ("openai", "gpt-4o-mini"), NOW, None)
    assert conversations.empty(NOW) == frozenset()
    assert conversations.empty(NOW + timedelta(seconds=1)) == {ID}
    for identity in (ID, OTHER):
        conversations.close_empty(identity)
    assert (conversations.has(ID), conversations.has(OTHER)) == (False, True)
    assert not conversations.go_on(ID, "alice", TURN)


def test_conversation_outlives_the_process(url: str) -> None:
    Conversations(url).remember(ID, "alice", TURN)
    assert Conversations(url).history(ID) == (TURN,)


def test_texts_come_back_as_they_were(conversations: Conversations) -> None:
    said = dataclasses.replace(
        TURN,
        question="žluťoučký 🐎 \N{LINE SEPARATOR}'\";--\n\t\x01\x7f%s :id {}",
        answer="x" * 1_000_000,
        extras={"attachments": [{"content": "a\0b\ud800"}], "n": 1.5, "none": None},
    )
    conversations.remember(ID, "alice", said)
    assert conversations.history(ID) == (said,)


def test_what_no_database_takes_is_replaced(conversations: Conversations) -> None:
    conversations.remember(ID, "alice", dataclasses.replace(TURN, question="a\0b", answer="c\ud800d"))
    conversations.rename(ID, "e\0f")
    (back,) = conversations.history(ID)
    assert (back.question, back.answer) == ("a\ufffdb", "c?d")
    found = conversations.get(ID)
    assert found
    assert found.topic_summary == "e\ufffdf"


def test_times_of_other_zones_mean_the_same_moment(conversations: Conversations) -> None:
    there = timezone(timedelta(hours=-7, minutes=-30))
    conversations.remember(ID, "alice", dataclasses.replace(TURN, started_at=NOW.astimezone(there)))
    (back,) = conversations.history(ID)
    assert back.started_at == NOW
    assert back.started_at.tzinfo == UTC


# whose it is


def test_somebody_elses_conversation_cannot_be_continued(conversations: Conversations) -> None:
    conversations.remember(ID, "alice", TURN)
    before = conversations.get(ID)
    with pytest.raises(Foreign):
        conversations.remember(ID, "mallory", dataclasses.replace(TURN, model="other"))
    assert conversations.get(ID) == before
    assert conversations.history(ID) == (TURN,)
    conversations.remember(ID, "alice", TURN)
    assert len(conversations.history(ID)) == 2


def test_list_has_the_users_own_the_latest_first(conversations: Conversations) -> None:
    ids = [f"{number}d14e9de-72d6-42a3-98bf-017e9c0a6b89" for number in range(5)]
    for number in (3, 0, 4, 1):
        conversations.remember(ids[number], "alice", turn(number))
    conversations.remember(ids[2], "bob", turn(9))
    assert [each.id for each in conversations.list("alice")] == [ids[4], ids[3], ids[1], ids[0]]
    conversations.remember(ids[0], "alice", turn(10))
    assert [each.id for each in conversations.list("alice")] == [ids[0], ids[4], ids[3], ids[1]]
    assert [each.id for each in conversations.list("bob")] == [ids[2]]
    assert conversations.list("nobody") == ()


def test_of_two_who_begin_the_same_conversation_one_owns_it(url: str) -> None:
    conversations = Conversations(url)
    conversations.ping()
    start = threading.Barrier(8)
    foreign: list[str] = []

    def begin(user: str) -> None:
        start.wait()
        try:
            conversations.remember(ID, user, TURN)
        except Foreign:
            foreign.append(user)

    in_threads(begin, [f"user{number}" for number in range(8)])
    found = conversations.get(ID)
    assert found
    assert len(foreign) == 7
    assert found.user_id not in foreign
    assert found.message_count == len(conversations.history(ID)) == 1


# renaming and deleting


def test_topic_can_be_given_and_stays(conversations: Conversations) -> None:
    assert conversations.rename(ID, "sshd") is False
    conversations.remember(ID, "alice", TURN)
    assert conversations.rename(ID, "sshd") is True
    conversations.remember(ID, "alice", TURN)
    found = conversations.get(ID)
    assert found
    assert found.topic_summary == "sshd"


def test_a_turn_is_added_only_where_there_is_a_conversation(conversations: Conversations) -> None:
    assert conversations.go_on(ID, "alice", turn(1)) is False
    conversations.remember(ID, "alice", turn(1), "topic")
    assert conversations.go_on(ID, "mallory", turn(2)) is False
    assert conversations.go_on(ID, "alice", turn(2)) is True
    assert [said.question for said in conversations.history(ID)] == ["q1", "q2"]
    known = conversations.get(ID)
    assert known
    assert (known.message_count, known.topic_summary) == (2, "topic")
    assert known.last_message_at == turn(2).completed_at


def test_what_has_to_go_with_a_conversation_and_can_not_brings_it_back(conversations: Conversations) -> None:
    conversations.remember(ID, "alice", TURN)

    def fail() -> None:
        assert conversations.get(ID), "nobody sees that it is going"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        conversations.delete(ID, fail)
    assert conversations.history(ID) == (TURN,)
    assert conversations.delete(ID, lambda: None) is True


def test_deleting_takes_the_turns_too_and_nobody_elses(conversations: Conversations) -> None:
    conversations.remember(ID, "alice", TURN)
    conversations.remember(OTHER, "alice", TURN)
    assert conversations.delete(ID) is True
    assert conversations.delete(ID) is False
    assert conversations.get(ID) is None
    assert conversations.history(ID) == ()
    assert conversations.history(OTHER) == (TURN,)
    conversations.remember(ID, "bob", TURN)
    assert conversations.history(ID) == (TURN,)


# company


def in_threads(work: object, arguments: list[str]) -> None:
    assert callable(work)
    threads = [threading.Thread(target=work, args=(argument,)) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_lose_no_turn(url: str) -> None:
    conversations = Conversations(url)
    failed: list[Exception] = []

    def talk(question: str) -> None:
        try:
            for _ in range(10):
                conversations.remember(ID, "alice", dataclasses.replace(TURN, question=question))
                conversations.history(ID)
        except Exception as error:
            failed.append(error)

    in_threads(talk, [f"q{number}" for number in range(8)])
    assert failed == []
    questions = [each.question for each in conversations.history(ID)]
    assert sorted(questions) == sorted(f"q{number}" for number in range(8) for _ in range(10))


SCRIPT = """
import os, sys
from datetime import UTC, datetime
from lightspeed_stack.conversations import Conversations, Turn
conversations = Conversations(sys.argv[1])
turn = Turn("q", "a", "p", "m", datetime.now(UTC), datetime.now(UTC))
def talk(conversation, times):
    for _ in range(times):
        conversations.remember(conversation, "alice", turn)
        conversations.history(conversation, 1)
"""


def test_processes_that_start_at_once_on_an_empty_database(url: str) -> None:
    script = SCRIPT + "sys.stdin.readline(); talk('shared', 30)"
    command = [sys.executable, "-c", script, url]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) for _ in range(4)]
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("\n")
        worker.stdin.flush()
    assert [worker.communicate()[1] for worker in workers] == [""] * 4
    assert len(Conversations(url).history("shared")) == 120


def test_connections_stay_on_their_side_of_a_fork(url: str) -> None:
    script = (
        SCRIPT
        + "talk('before', 2); child = os.fork()\n"
        + "talk('child' if child == 0 else 'parent', 20)\n"
        + "if child: assert os.waitpid(child, 0)[1] == 0; talk('after', 2)"
    )
    done = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    conversations = Conversations(url)
    counts = {each.id: each.message_count for each in conversations.list("alice")}
    assert counts == {"before": 2, "child": 20, "parent": 20, "after": 2}


# errors


def test_ping_says_nothing_when_all_is_well(conversations: Conversations) -> None:
    conversations.ping()
    conversations.ping()


def test_database_of_a_later_release_is_refused(url: str, tmp_path: Path) -> None:
    Conversations(url).ping()
    alter(url, "UPDATE conversation_schema SET version = 2")
    with pytest.raises(ConversationsError, match="made by a later release, its schema is 2, this one knows 1"):
        Conversations(url).ping()


def test_tables_half_made_are_completed(url: str) -> None:
    Conversations(url).ping()
    alter(url, "DROP TABLE turn")
    alter(url, "DELETE FROM conversation_schema")
    again = Conversations(url)
    again.remember(ID, "alice", TURN)
    assert again.history(ID) == (TURN,)


def alter(url: str, statement: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_errors_tell_no_text_of_a_user(url: str) -> None:
    conversations = Conversations(url)
    conversations.ping()
    alter(url, "DROP TABLE turn")
    with pytest.raises(ConversationsError, match="turn") as raised:
        conversations.remember(ID, "alice", dataclasses.replace(TURN, question="my secret question"))
    assert "secret" not in str(raised.value)
    assert conversations.get(ID) is None


def test_owner_that_cannot_be_stored_is_an_error(conversations: Conversations) -> None:
    with pytest.raises(ConversationsError, match="surrogates not allowed"):
        conversations.remember(ID, "\ud800", TURN)


def test_sqlite_file_is_for_the_daemon_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        conversations = Conversations(f"sqlite:///{tmp_path}/c.db")
        conversations.remember(ID, "alice", TURN)
        assert {path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    Conversations(f"sqlite:///{tmp_path}/c.db").ping()
    connection = sqlite3.connect(tmp_path / "c.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_missing_directory_is_told(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "c.db"
    with pytest.raises(ConversationsError, match=re.escape(f"{path}: No such file or directory")):
        Conversations(f"sqlite:///{path}").ping()


def test_it_works_as_soon_as_the_directory_is_there(tmp_path: Path) -> None:
    conversations = Conversations(f"sqlite:///{tmp_path}/late/c.db")
    with pytest.raises(ConversationsError):
        conversations.ping()
    (tmp_path / "late").mkdir()
    conversations.remember(ID, "alice", TURN)
    assert conversations.history(ID) == (TURN,)


def test_corrupt_file_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_bytes(b"not a database" * 1000)
    conversations = Conversations(f"sqlite:///{path}")
    for attempt in (conversations.ping, lambda: conversations.remember(ID, "alice", TURN)):
        with pytest.raises(ConversationsError, match=re.escape(f"{path}: file is not a database")):
            attempt()
    assert path.read_bytes() == b"not a database" * 1000


def test_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConversationsError, match="unable to open database file"):
        Conversations(f"sqlite:///{tmp_path}").ping()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_sqlite_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ConversationsError, match="workers can't share it"):
        Conversations(url).ping()


def test_stopped_server_is_told_without_the_password_and_its_return_is_noticed(server: postgres.Postgres) -> None:
    conversations = Conversations(server.url)
    conversations.ping()
    server.stop()
    try:
        with pytest.raises(ConversationsError, match="connection to server on socket") as raised:
            conversations.ping()
        assert "s3cret" not in str(raised.value)
    finally:
        server.start()
    conversations.ping()


def test_server_that_is_not_there_is_told_without_the_password() -> None:
    pytest.importorskip("psycopg")
    url = "postgresql+psycopg://alice:s3cret@127.0.0.1:1/db"
    with pytest.raises(ConversationsError, match="Connection refused") as raised:
        Conversations(url).ping()
    assert str(raised.value).startswith("postgresql+psycopg://alice:***@127.0.0.1:1/db: ")
    assert "s3cret" not in str(raised.value)

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.stack.conftest import MakeClient

ALL = "/v1/conversations"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def ask(client: FlaskClient, query: str, user: str = "alice", **more: Any) -> str:
    identity: str = client.post(f"/v1/query?user_id={user}", json={"query": query, **more}).json["conversation_id"]
    return identity


def foreign(identity: str, verb: str) -> dict[str, Any]:
    return {
        "detail": {
            "response": "User does not have permission to perform this action",
            "cause": f"User bob does not have permission to {verb} conversation with ID {identity}",
        }
    }


class TestList:
    def test_ones_own_the_latest_first(self, client: FlaskClient) -> None:
        first, second = ask(client, "one"), ask(client, "two")
        ask(client, "three", user="bob")
        ask(client, "again", conversation_id=first)
        listed = client.get(f"{ALL}?user_id=alice").json["conversations"]
        assert [one["conversation_id"] for one in listed] == [first, second]
        assert [one["message_count"] for one in listed] == [2, 1]

    def test_keys_and_their_order(self, client: FlaskClient) -> None:
        identity = ask(client, "one")
        assert re.fullmatch(
            rf'\{{"conversations":\[\{{"conversation_id":"{identity}","created_at":"{TIME}","last_message_at":"{TIME}",'
            r'"message_count":1,"last_used_model":"gpt-4o-mini","last_used_provider":"openai",'
            r'"topic_summary":"one"\}\]\}',
            client.get(f"{ALL}?user_id=alice").text,
        )

    def test_nothing(self, client: FlaskClient) -> None:
        assert client.get(ALL).data == b'{"conversations":[]}'

    def test_it_needs_the_right(self, make_client: MakeClient) -> None:
        client = make_client(authorization={"access_rules": [{"role": "*", "actions": ["query"]}]})
        assert client.get(ALL).status_code == 403


class TestTopic:
    @pytest.mark.parametrize(
        ("question", "topic"),
        [("short", "short"), ("two\n lines ", "two lines"), ("x" * 81, "x" * 79 + "\N{HORIZONTAL ELLIPSIS}")],
    )
    def test_it_is_made_of_the_first_question(self, client: FlaskClient, question: str, topic: str) -> None:
        identity = ask(client, question)
        ask(client, "later", conversation_id=identity)
        [listed] = client.get(f"{ALL}?user_id=alice").json["conversations"]
        assert listed["topic_summary"] == topic

    def test_it_can_be_done_without(self, client: FlaskClient) -> None:
        ask(client, "one", generate_topic_summary=False)
        [listed] = client.get(f"{ALL}?user_id=alice").json["conversations"]
        assert listed["topic_summary"] is None


class TestRead:
    @pytest.mark.parametrize("told", [1, 2])
    def test_one_that_is_deleted_while_it_is_told_ends_where_it_is(self, client: FlaskClient, told: int) -> None:
        identity = ask(client, "0")
        for number in range(1, 16):
            ask(client, str(number), conversation_id=identity)
        answer = client.get(f"{ALL}/{identity}?user_id=alice", buffered=False)
        body = answer.iter_encoded()
        begun = [next(body) for _ in range(told)]
        assert client.delete(f"{ALL}/{identity}?user_id=alice").json["deleted"]
        turns = json.loads(b"".join([*begun, *body]))["chat_history"]
        assert [turn["messages"][0]["content"] for turn in turns] == list("01234")

    def test_keys_and_their_order(self, client: FlaskClient) -> None:
        identity = ask(client, "one")
        assert re.fullmatch(
            rf'\{{"conversation_id":"{identity}","chat_history":\[\{{"messages":\['
            r'\{"content":"one","type":"user","referenced_documents":null\},'
            r'\{"content":"Hello from fake","type":"assistant","referenced_documents":null\}\],'
            r'"tool_calls":\[\],"tool_results":\[\],"provider":"openai","model":"gpt-4o-mini",'
            rf'"started_at":"{TIME}","completed_at":"{TIME}"\}}\]\}}',
            client.get(f"{ALL}/{identity}?user_id=alice").text,
        )

    def test_turns_in_their_order(self, client: FlaskClient) -> None:
        identity = ask(client, "one")
        ask(client, "two", conversation_id=identity)
        turns = client.get(f"{ALL}/{identity}?user_id=alice").json["chat_history"]
        assert [turn["messages"][0]["content"] for turn in turns] == ["one", "two"]

    def test_a_long_one_is_told_whole(self, client: FlaskClient) -> None:
        identity = ask(client, "0")
        for number in range(1, 12):
            ask(client, str(number), conversation_id=identity)
        answer = client.get(f"{ALL}/{identity}?user_id=alice")
        assert list(answer.json) == ["conversation_id", "chat_history"]
        asked = [turn["messages"][0]["content"] for turn in answer.json["chat_history"]]
        assert asked == list(map(str, range(12)))
        head = client.head(f"{ALL}/{identity}?user_id=alice")
        assert (head.status_code, head.data, head.content_type) == (200, b"", answer.content_type)

    def test_attachments_follow_the_question(self, client: FlaskClient) -> None:
        attachment = {"attachment_type": "log", "content_type": "text/plain", "content": "it broke"}
        identity = ask(client, "why?", attachments=[attachment])
        [turn] = client.get(f"{ALL}/{identity}?user_id=alice").json["chat_history"]
        assert turn["messages"][0]["content"] == "why?\n\n[Attachment: log]\nit broke"

    def test_somebody_elses(self, client: FlaskClient) -> None:
        identity = ask(client, "one")
        answer = client.get(f"{ALL}/{identity}?user_id=bob")
        assert (answer.status_code, answer.json) == (403, foreign(identity, "read"))


class TestRename:
    def test_it(self, client: FlaskClient) -> None:
        identity = ask(client, "one")
        answer = client.put(f"{ALL}/{identity}?user_id=alice", json={"topic_summary": "New \N{HORSE}"})
        assert answer.data.decode() == (
            f'{{"conversation_id":"{identity}","success":true,"message":"Topic summary updated successfully"}}'
        )
        [listed] = client.get(f"{ALL}?user_id=alice").json["conversations"]
        assert listed["topic_summary"] == "New \N{HORSE}"

    def test_somebody_elses(self, client: FlaskClient) -> None:
        identity = ask(client, "one")
        answer = client.put(f"{ALL}/{identity}?user_id=bob", json={"topic_summary": "mine"})
        assert (answer.status_code, answer.json) == (403, foreign(identity, "update"))

    def test_the_name_is_redacted(self, make_client: MakeClient) -> None:
        client = make_client(redaction={"builtin": ["email"]})
        identity = ask(client, "one")
        client.put(f"{ALL}/{identity}?user_id=alice", json={"topic_summary": "mail bob@example.com"})
        [listed] = client.get(f"{ALL}?user_id=alice").json["conversations"]
        assert listed["topic_summary"] == "mail [EMAIL]"

    @pytest.mark.parametrize("body", [{}, {"topic_summary": ""}, {"topic_summary": "x" * 1001}, {"topic_summary": 1}])
    def test_what_is_no_name(self, client: FlaskClient, body: dict[str, object]) -> None:
        assert client.put(f"{ALL}/{ask(client, 'one')}?user_id=alice", json=body).status_code == 422


class TestDelete:
    def test_it_is_gone(self, client: FlaskClient) -> None:
        identity = ask(client, "one")
        answer = client.delete(f"{ALL}/{identity}?user_id=alice")
        assert answer.data.decode().startswith(
            f'{{"deleted":true,"conversation_id":"{identity}","response":"Conversation deleted successfully",'
            '"success":true,"records":"'
        )
        assert client.get(f"{ALL}/{identity}?user_id=alice").status_code == 404
        assert client.get(f"{ALL}?user_id=alice").json == {"conversations": []}

    def test_the_reader_is_asked_to_forget_its_records(self, client: FlaskClient, tmp_path: Path) -> None:
        identity = ask(client, "one")
        body = {"conversation_id": identity, "user_question": "q", "llm_response": "r", "sentiment": 1}
        client.post("/v1/feedback?user_id=alice", json=body)
        client.delete(f"{ALL}/{identity}?user_id=alice")
        for kind in ("transcripts", "feedback"):
            assert len(list((tmp_path / "spool" / kind).glob(f".forget_{identity}_*")))

    def test_unknown(self, client: FlaskClient) -> None:
        identity = str(uuid.uuid4())
        answer = client.delete(f"{ALL}/{identity}")
        assert answer.status_code == 200
        assert answer.data.decode() == (
            f'{{"deleted":false,"conversation_id":"{identity}","response":"Conversation not found","success":true,'
            '"records":null}'
        )

    def test_somebody_elses(self, client: FlaskClient) -> None:
        identity = ask(client, "one")
        answer = client.delete(f"{ALL}/{identity}?user_id=bob")
        assert (answer.status_code, answer.json) == (403, foreign(identity, "delete"))
        assert client.get(f"{ALL}/{identity}?user_id=alice").status_code == 200

    def test_when_its_records_cannot_be_withdrawn_it_stays(self, client: FlaskClient, tmp_path: Path) -> None:
        identity = ask(client, "one")
        folder = tmp_path / "spool" / "transcripts"
        folder.rename(tmp_path / "elsewhere")
        folder.write_text("in the way")
        answer = client.delete(f"{ALL}/{identity}?user_id=alice")
        assert answer.status_code == 500
        assert answer.json["detail"]["response"] == "Failed to delete the conversation"
        assert client.get(f"{ALL}/{identity}?user_id=alice").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_id_that_is_none(client: FlaskClient, method: str) -> None:
    body = {"topic_summary": "x"} if method == "PUT" else None
    answer = client.open(f"{ALL}/abc", method=method, json=body)
    assert answer.status_code == 400
    assert answer.json == {
        "detail": {"response": "Invalid conversation ID format", "cause": "The conversation ID abc has invalid format."}
    }


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_unknown_one(client: FlaskClient, method: str) -> None:
    identity = str(uuid.uuid4())
    body = {"topic_summary": "x"} if method == "PUT" else None
    answer = client.open(f"{ALL}/{identity}", method=method, json=body)
    assert answer.status_code == 404
    assert answer.json == {
        "detail": {"response": "Conversation not found", "cause": f"Conversation with ID {identity} does not exist"}
    }


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", "get_conversation"), ("PUT", "update_conversation"), ("DELETE", "delete_conversation")],
)
def test_each_needs_its_right(make_client: MakeClient, method: str, action: str) -> None:
    actions = ["query", "get_conversation", "update_conversation", "delete_conversation"]
    actions.remove(action)
    client = make_client(authorization={"access_rules": [{"role": "*", "actions": actions}]})
    identity = ask(client, "one")
    body = {"topic_summary": "x"} if method == "PUT" else None
    answer = client.open(f"{ALL}/{identity}?user_id=alice", method=method, json=body)
    assert answer.status_code == 403
    assert answer.json["detail"]["cause"] == "User alice is not authorized to access this endpoint."


class TestDatabaseFailure:
    @pytest.fixture
    def client(self, make_client: MakeClient, tmp_path: Path) -> FlaskClient:
        database = tmp_path / "no-database"
        database.mkdir()
        return make_client(database={"sqlite": {"db_path": str(database)}})

    def test_it_is_told_without_its_path(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        answer = client.get(ALL)
        assert answer.status_code == 500
        assert answer.json == {"detail": {"response": "Database query failed", "cause": "Failed to query the database"}}
        assert "no-database" in caplog.text

    def test_a_new_question_is_answered_all_the_same(
        self, client: FlaskClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert client.post("/v1/query", json={"query": "hi"}).json["response"] == "Hello from fake"
        assert "a turn is not remembered" in caplog.text

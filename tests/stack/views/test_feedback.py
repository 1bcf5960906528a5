"""POST /v1/feedback over HTTP: what is taken, what is stored, what is refused."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.stack.conftest import MakeClient

FEEDBACK = "/v1/feedback"


def records(folder: Path) -> list[Path]:
    return sorted((folder / "spool" / "feedback").glob("[!.]*.json"))


def begun(client: FlaskClient, user: str = "alice") -> str:
    """The id of a conversation of the user's."""
    identity: str = client.post(f"/v1/query?user_id={user}", json={"query": "hi"}).json["conversation_id"]
    return identity


def opinion(identity: str, **more: Any) -> dict[str, Any]:
    return {"conversation_id": identity, "user_question": "q", "llm_response": "r", "sentiment": -1} | more


@pytest.mark.parametrize("path", [FEEDBACK, "/feedback"])
def test_it_is_stored_as_it_was_given(client: FlaskClient, tmp_path: Path, path: str) -> None:
    identity = begun(client)
    body = opinion(identity, user_feedback="p\u0159", categories=["other", "unsafe", "other"])
    answer = client.post(f"{path}?user_id=alice", json=body)
    assert (answer.status_code, answer.data) == (200, b'{"response":"feedback received"}')
    [file] = records(tmp_path)
    text = file.read_text()
    record = json.loads(text)
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z_" + identity + r"_[0-9a-f]{8}\.json", file.name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00", record["timestamp"])
    assert text == (
        f'{{"user_id": "{record["user_id"]}", "timestamp": "{record["timestamp"]}", "conversation_id": "{identity}", '
        '"user_question": "q", "llm_response": "r", "sentiment": -1, "user_feedback": "p\\u0159", '
        '"categories": ["other", "unsafe"]}'
    )


def test_the_user_is_the_same_word_as_in_transcripts(client: FlaskClient, tmp_path: Path) -> None:
    identity = begun(client)
    client.post(f"{FEEDBACK}?user_id=alice", json=opinion(identity))
    [feedback] = records(tmp_path)
    [transcript] = (tmp_path / "spool" / "transcripts").glob("[!.]*.json")
    user = json.loads(feedback.read_text())["user_id"]
    assert user == json.loads(transcript.read_text())["metadata"]["user_id"]
    assert "alice" not in user


def test_what_was_not_said_is_null(client: FlaskClient, tmp_path: Path) -> None:
    client.post(f"{FEEDBACK}?user_id=alice", json=opinion(begun(client), categories=[]))
    record = json.loads(records(tmp_path)[0].read_text())
    assert (record["user_feedback"], record["categories"]) == (None, None)


def test_texts_are_redacted(make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client(redaction={"filters": [{"name": "w", "pattern": "sesame", "replace_with": "[x]"}]})
    body = opinion(begun(client), user_question="sesame 1", llm_response="sesame 2", user_feedback="sesame 3")
    client.post(f"{FEEDBACK}?user_id=alice", json=body)
    record = json.loads(records(tmp_path)[0].read_text())
    assert [record[key] for key in ("user_question", "llm_response", "user_feedback")] == ["[x] 1", "[x] 2", "[x] 3"]


def test_what_is_wrong_is_listed(client: FlaskClient) -> None:
    answer = client.post(FEEDBACK, json={})
    assert answer.status_code == 422
    assert answer.data.decode() == (
        '{"detail":['
        + ",".join(
            f'{{"type":"missing","loc":["body","{name}"],"msg":"Field required","input":{{}}}}'
            for name in ("conversation_id", "user_question", "llm_response")
        )
        + "]}"
    )


def test_an_unknown_conversation(client: FlaskClient, tmp_path: Path) -> None:
    identity = str(uuid.uuid4())
    answer = client.post(FEEDBACK, json=opinion(identity))
    assert answer.status_code == 404
    assert answer.json == {
        "detail": {
            "response": "Conversation not found",
            "cause": f"Conversation with ID {identity} does not exist",
        }
    }
    assert records(tmp_path) == []


def test_somebody_elses_conversation(client: FlaskClient, tmp_path: Path) -> None:
    identity = begun(client, "alice")
    answer = client.post(f"{FEEDBACK}?user_id=bob", json=opinion(identity))
    assert answer.status_code == 403
    assert answer.json == {
        "detail": {
            "response": "User does not have permission to perform this action",
            "cause": f"User bob does not have permission to submit feedback for conversation with ID {identity}",
        }
    }
    assert records(tmp_path) == []


class TestOff:
    DISABLED = (403, {"detail": {"response": "Storing feedback is disabled", "cause": "Storing feedback is disabled."}})

    def test_by_configuration(self, make_client: MakeClient) -> None:
        client = make_client(user_data_collection={"feedback_enabled": False})
        answer = client.post(FEEDBACK, json=opinion(begun(client)))
        assert (answer.status_code, answer.json) == self.DISABLED

    def test_by_the_switch(self, client: FlaskClient) -> None:
        client.put("/v1/feedback/status", json={"status": False})
        answer = client.post(FEEDBACK, json=opinion(begun(client)))
        assert (answer.status_code, answer.json) == self.DISABLED

    def test_it_is_told_before_what_is_wrong_with_the_body(self, make_client: MakeClient) -> None:
        client = make_client(user_data_collection={"feedback_enabled": False})
        assert client.post(FEEDBACK, json={}).status_code == 403

    def test_it_is_told_after_malformed_json_and_after_who_it_is(self, make_client: MakeClient) -> None:
        client = make_client(
            user_data_collection={"feedback_enabled": False}, authentication={"module": "noop-with-token"}
        )
        assert client.post(FEEDBACK, data="{", content_type="application/json").status_code == 422
        assert client.post(FEEDBACK, json={}).status_code == 401

    def test_the_switch_wins_over_the_configuration(self, make_client: MakeClient, tmp_path: Path) -> None:
        client = make_client(user_data_collection={"feedback_enabled": False})
        client.put("/v1/feedback/status", json={"status": True})
        assert client.post(f"{FEEDBACK}?user_id=alice", json=opinion(begun(client))).status_code == 200
        assert len(records(tmp_path)) == 1

    def test_for_a_user_who_opted_out(self, client: FlaskClient, tmp_path: Path) -> None:
        client.put("/v1/me/data-collection?user_id=alice", json={"enabled": False})
        answer = client.post(f"{FEEDBACK}?user_id=alice", json=opinion(begun(client)))
        assert answer.status_code == 403
        assert answer.json["detail"] == {
            "response": "Storing feedback is disabled",
            "cause": "The user has switched data collection off.",
        }
        assert records(tmp_path) == []
        assert 'ls_opt_outs_total{kind="feedback"} 1.0' in client.get("/metrics").text

    def test_for_a_request_that_says_so(self, client: FlaskClient, tmp_path: Path) -> None:
        off = {"x-data-collection": "off"}
        answer = client.post(f"{FEEDBACK}?user_id=alice", json=opinion(begun(client)), headers=off)
        assert answer.status_code == 403
        assert records(tmp_path) == []


class TestNotStored:
    def test_it_is_an_error_that_does_not_show_the_path(
        self, make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "spool").mkdir()
        (tmp_path / "spool" / "feedback").write_text("in the way")
        client = make_client()
        answer = client.post(f"{FEEDBACK}?user_id=alice", json=opinion(begun(client)))
        assert answer.status_code == 500
        assert answer.json == {
            "detail": {"response": "Failed to store feedback", "cause": "The record could not be stored."}
        }
        assert str(tmp_path) in caplog.text
        assert 'ls_spool_failures_total{cause="not-writable",kind="feedback"} 1.0' in client.get("/metrics").text

    def test_a_full_disk_is_told_as_such(self, make_client: MakeClient) -> None:
        client = make_client(user_data_collection={"min_free_bytes": 1 << 60})
        answer = client.post(f"{FEEDBACK}?user_id=alice", json=opinion(begun(client)))
        assert answer.status_code == 503
        assert answer.json == {"detail": {"response": "Failed to store feedback", "cause": "The storage is full."}}

    def test_a_switch_that_is_on_with_nowhere_to_store(self, make_client: MakeClient) -> None:
        client = make_client(user_data_collection={"feedback_enabled": False, "feedback_storage": None})
        client.put("/v1/feedback/status", json={"status": True})
        answer = client.post(f"{FEEDBACK}?user_id=alice", json=opinion(begun(client)))
        assert answer.status_code == 500


def test_it_needs_the_right(make_client: MakeClient) -> None:
    client = make_client(authorization={"access_rules": [{"role": "*", "actions": ["query"]}]})
    identity = begun(client)
    answer = client.post(f"{FEEDBACK}?user_id=alice", json=opinion(identity))
    assert answer.status_code == 403
    assert answer.json["detail"]["cause"] == "User alice is not authorized to access this endpoint."


def test_it_is_counted(client: FlaskClient) -> None:
    client.post(f"{FEEDBACK}?user_id=alice", json=opinion(begun(client)))
    told = client.get("/metrics").text
    assert 'ls_records_spooled_total{kind="feedback"} 1.0' in told
    assert 'ls_rest_api_calls_total{path="/v1/feedback",status_code="200"} 1.0' in told

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.stack.conftest import MakeClient


def test_liveness(shared: FlaskClient) -> None:
    assert shared.get("/liveness").text == '{"alive":true}'


@pytest.mark.parametrize("path", ["/liveness", "/readiness"])
def test_nobody_has_to_say_who_they_are(make_client: MakeClient, path: str) -> None:
    client = make_client(authentication={"module": "api-key-token", "api_key_config": {"api_key": "k"}})
    assert client.get(path).status_code == 200


def test_ready(shared: FlaskClient) -> None:
    answer = shared.get("/readiness")
    assert answer.status_code == 200
    assert answer.text == (
        '{"ready":true,"reason":"All providers are healthy","overall_status":"healthy","impacts":null,"providers":[]}'
    )


def test_a_provider_out_of_reach(make_client: MakeClient) -> None:
    gone = {"name": "gone", "type": "openai", "base_url": "http://127.0.0.1:9/v1"}
    answer = make_client(inference={"providers": [gone]}).get("/readiness")
    assert answer.status_code == 503
    assert (answer.json["ready"], answer.json["overall_status"]) == (False, "unhealthy")
    assert answer.json["reason"] == "Providers not healthy: gone"
    [provider] = answer.json["providers"]
    assert (provider["provider_id"], provider["status"]) == ("gone", "Error")
    assert answer.json["impacts"] == [f"Provider gone: {provider['message']}"]


def test_a_spool_that_is_not_writable(make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "feedback").write_text("in the way")
    answer = make_client().get("/readiness")
    assert answer.status_code == 503
    assert answer.json["reason"] == "The storage for feedback is not writable"
    assert str(tmp_path) not in answer.text


def test_a_full_disk(make_client: MakeClient) -> None:
    answer = make_client(user_data_collection={"min_free_bytes": 1 << 60}).get("/readiness")
    assert answer.status_code == 503
    assert answer.json["impacts"] == ["The storage for transcripts is full", "The storage for feedback is full"]


def test_a_database_that_cannot_be_used(make_client: MakeClient, tmp_path: Path) -> None:
    answer = make_client(database={"sqlite": {"db_path": str(tmp_path)}}).get("/readiness")
    assert answer.status_code == 503
    assert answer.json["reason"] == "The database cannot be used"


def test_where_nothing_is_stored_no_storage_is_looked_at(make_client: MakeClient) -> None:
    client = make_client(
        user_data_collection={
            "feedback_enabled": False,
            "feedback_storage": None,
            "transcripts_enabled": False,
            "transcripts_storage": None,
            "min_free_bytes": 1 << 60,
        }
    )
    assert client.get("/readiness").status_code == 200

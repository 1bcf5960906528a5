from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.fakes.application import application
from tests.stack.conftest import MakeClient

STATUS = "/v1/feedback/status"


def test_it_is_told_to_everybody(make_client: MakeClient) -> None:
    answer = make_client(authentication={"module": "noop-with-token"}).get(STATUS)
    assert answer.data == b'{"functionality":"feedback","status":{"enabled":true}}'


def test_it_is_set(client: FlaskClient) -> None:
    answer = client.put(f"{STATUS}?user_id=alice", json={"status": False})
    assert answer.status_code == 200
    assert re.fullmatch(
        r'\{"status":\{"previous_status":true,"updated_status":false,"updated_by":"alice",'
        r'"timestamp":"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00"\}\}',
        answer.text,
    )
    assert client.get(STATUS).json["status"] == {"enabled": False}
    assert client.put(STATUS, json={"status": True}).json["status"]["previous_status"] is False


def test_it_holds_in_every_worker_and_after_a_restart(tmp_path: Path) -> None:
    first, second = (application(tmp_path).test_client() for _ in range(2))
    first.put(STATUS, json={"status": False})
    assert second.get(STATUS).json["status"] == {"enabled": False}
    assert application(tmp_path).test_client().get(STATUS).json["status"] == {"enabled": False}


def test_without_a_status_nothing_is_changed(client: FlaskClient) -> None:
    answer = client.put(STATUS, json={})
    assert answer.status_code == 422
    assert answer.json["detail"] == [
        {"type": "missing", "loc": ["body", "status"], "msg": "Field required", "input": {}}
    ]
    assert client.get(STATUS).json["status"] == {"enabled": True}


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_a_status_is_a_boolean(client: FlaskClient, value: object) -> None:
    assert client.put(STATUS, json={"status": value}).status_code == 422


def test_only_an_admin_may(make_client: MakeClient) -> None:
    rules = [{"role": "user:root", "actions": ["admin"]}, {"role": "*", "actions": ["feedback"]}]
    client = make_client(authorization={"access_rules": rules})
    answer = client.put(f"{STATUS}?user_id=bob", json={"status": False})
    assert answer.status_code == 403
    assert answer.json == {
        "detail": {
            "response": "User does not have permission to access this endpoint",
            "cause": "User bob is not authorized to access this endpoint.",
        }
    }
    assert client.put(f"{STATUS}?user_id=root", json={"status": False}).status_code == 200


def test_a_setting_that_cannot_be_kept_is_an_error(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "state" / "feedback-switch").mkdir()
    answer = client.put(STATUS, json={"status": False})
    assert answer.status_code == 500
    assert answer.json == {
        "detail": {"response": "Failed to store the setting", "cause": "The setting could not be stored."}
    }

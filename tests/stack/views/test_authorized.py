from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.stack.conftest import MakeClient


def test_keys_and_their_order(shared: FlaskClient) -> None:
    assert shared.post("/authorized").text == (
        '{"user_id":"00000000-0000-0000-0000-000","username":"lightspeed-user","skip_userid_check":true}'
    )


@pytest.mark.parametrize("body", [b"", b"{", b'{"user_id": "bob"}', b"\xff" * 1000])
def test_a_body_is_not_looked_at(shared: FlaskClient, body: bytes) -> None:
    answer = shared.post("/authorized?user_id=alice", data=body, content_type="application/json")
    assert answer.json["user_id"] == "alice"


def test_noop_wants_a_name_if_there_is_an_argument(shared: FlaskClient) -> None:
    answer = shared.post("/authorized?user_id=")
    assert (answer.status_code, answer.json) == (400, {"detail": "user_id cannot be empty"})


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        (None, "No Authorization header found"),
        ("Bearer", "No token found in Authorization header"),
        ("Bearer a b", "No token found in Authorization header"),
        ("Basic abc", "No token found in Authorization header"),
    ],
)
def test_a_token_that_is_missing(make_client: MakeClient, header: str | None, cause: str) -> None:
    client = make_client(authentication={"module": "noop-with-token"})
    answer = client.post("/authorized", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers
    assert answer.json == {"detail": {"response": "Missing or invalid credentials provided by client", "cause": cause}}


def test_an_api_key(make_client: MakeClient) -> None:
    client = make_client(authentication={"module": "api-key-token", "api_key_config": {"api_key": "k1"}})
    assert client.post("/authorized", headers={"Authorization": "Bearer k1"}).status_code == 200
    wrong = client.post("/authorized", headers={"Authorization": "Bearer k2"})
    assert (wrong.status_code, wrong.json) == (401, {"detail": "Invalid API Key"})


def test_rh_identity(make_client: MakeClient) -> None:
    client = make_client(authentication={"module": "rh-identity", "rh_identity_config": {}})
    answer = client.post("/authorized")
    assert (answer.status_code, answer.json) == (401, {"detail": "Missing x-rh-identity header"})

from __future__ import annotations

from flask.testing import FlaskClient

from lightspeed_stack.daemon.version import VERSION
from tests.stack.conftest import MakeClient


def test_keys_and_their_order(shared: FlaskClient) -> None:
    expected = f'{{"name":"test","service_version":"{VERSION}","llama_stack_version":null}}'
    assert shared.get("/v1/info").text == expected


def test_it_needs_a_user_and_the_right(make_client: MakeClient) -> None:
    client = make_client(
        authentication={"module": "noop-with-token"},
        authorization={"access_rules": [{"role": "user:alice", "actions": ["info"]}]},
    )
    assert client.get("/v1/info").status_code == 401
    token = {"Authorization": "bearer x"}
    assert client.get("/v1/info?user_id=bob", headers=token).status_code == 403
    assert client.get("/v1/info?user_id=alice", headers=token).status_code == 200

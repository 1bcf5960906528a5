from __future__ import annotations

import json
from pathlib import Path

from flask.testing import FlaskClient

from tests.stack.conftest import MakeClient

MASK = "**********"


def test_every_section_with_its_defaults(shared: FlaskClient) -> None:
    answer = shared.get("/v1/config").json
    assert list(answer) == ["configuration"]
    configuration = answer["configuration"]
    assert configuration["name"] == "test"
    assert configuration["service"]["threads"] == 640
    assert configuration["service"]["cors"]["allow_origins"] == ["*"]
    assert configuration["user_data_collection"]["feedback_enabled"] is True
    assert configuration["customization"]["system_prompt"] is None
    assert configuration["inference"]["providers"][0]["name"] == "openai"
    assert configuration["mcp_servers"] == []


def test_no_secret_is_shown(make_client: MakeClient, tmp_path: Path) -> None:
    secret = "hidden-away"
    client = make_client(
        inference={
            "providers": [
                {
                    "name": "p",
                    "type": "openai",
                    "base_url": f"http://me:{secret}@127.0.0.1:9/v1?code={secret}",
                    "api_key": secret,
                    "headers": {"X-Token": secret},
                }
            ]
        },
        database={"postgres": {"db": "d", "user": "u", "password": secret}},
        authentication={"module": "api-key-token", "api_key_config": {"api_key": secret}},
    )
    answer = client.get("/v1/config", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    assert secret not in answer.text
    provider = answer.json["configuration"]["inference"]["providers"][0]
    assert (provider["api_key"], provider["headers"]["X-Token"]) == (MASK, MASK)
    assert provider["base_url"] == f"http://{MASK}@127.0.0.1:9/v1?code={MASK}"
    assert answer.json["configuration"]["database"]["postgres"]["password"] == MASK


def test_it_is_json_throughout(shared: FlaskClient) -> None:
    json.loads(shared.get("/v1/config").data)


def test_it_needs_the_right(make_client: MakeClient) -> None:
    client = make_client(authorization={"access_rules": [{"role": "*", "actions": ["query"]}]})
    assert client.get("/v1/config").status_code == 403

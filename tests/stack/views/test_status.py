from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from lightspeed_stack import parse
from tests.stack.conftest import MakeClient


def valid(told: Mapping[str, Any]) -> None:
    schema = {**parse.specification(), "$ref": "#/components/schemas/StatusResponse"}
    Draft202012Validator(schema).validate(told)


def test_it_is_as_described(client: FlaskClient) -> None:
    answer = client.get("/v1/status")
    valid(answer.json)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["problems"] == []
    assert answer.json["collector"] == {"sent_to": None, "state": "not configured", "published": None}


def test_a_question_and_an_opinion_are_seen(client: FlaskClient) -> None:
    asked = client.post("/v1/query", json={"query": "q"}).json
    opinion = {"conversation_id": asked["conversation_id"], "user_question": "q", "llm_response": "a", "sentiment": -1}
    assert client.post("/v1/feedback", json=opinion).status_code == 200
    told = client.get("/v1/status").json
    valid(told)
    assert {kind["kind"]: kind["records"] for kind in told["spool"]["kinds"]} == {"transcripts": 1, "feedback": 1}
    assert told["providers"][0]["answers"] == 1


def test_opting_out_is_counted(client: FlaskClient) -> None:
    client.post("/v1/query", json={"query": "q"}, headers={"x-data-collection": "off"})
    told = client.get("/v1/status").json
    valid(told)
    assert told["opted_out"] == {"transcripts": 1}


def test_it_needs_the_right(make_client: MakeClient) -> None:
    client = make_client(authorization={"access_rules": [{"role": "*", "actions": ["query"]}]})
    assert client.get("/v1/status").status_code == 403
    assert client.get("/status").status_code == 200


def test_it_needs_a_key_where_there_are_keys(make_client: MakeClient) -> None:
    client = make_client(authentication={"module": "api-key-token", "api_key_config": {"api_key": "k"}})
    assert client.get("/v1/status").status_code == 401
    assert client.get("/v1/status", headers={"Authorization": "Bearer k"}).status_code == 200

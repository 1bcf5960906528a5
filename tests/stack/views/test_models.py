from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.fakes.provider import FakeProvider
from tests.stack.conftest import MakeClient

MODELS = "/v1/models"


def test_keys_and_their_order(make_client: MakeClient) -> None:
    with FakeProvider(models=("gpt-4o-mini", "org/other")) as fake:
        providers = [
            {"name": "openai", "type": "openai", "base_url": fake.url},
            {"name": "embedded", "type": "embedded"},
        ]
        text = make_client(inference={"providers": providers}).get(MODELS).text
    told = (
        f'{{"identifier":"{provider}/{model}","metadata":{{}},"api_model_type":"llm","provider_id":"{provider}",'
        f'"type":"model","provider_resource_id":"{model}","model_type":"llm"}}'
        for provider, model in (("openai", "gpt-4o-mini"), ("openai", "org/other"), ("embedded", "howto-cards"))
    )
    assert text == f'{{"models":[{",".join(told)}]}}'


def test_those_of_one_type(shared: FlaskClient) -> None:
    assert shared.get(f"{MODELS}?model_type=llm").json == shared.get(MODELS).json
    assert shared.get(f"{MODELS}?model_type=embedding").json == {"models": []}


def test_other_arguments_are_refused(shared: FlaskClient) -> None:
    answer = shared.get(f"{MODELS}?foo=1&model_type=llm")
    assert answer.status_code == 422
    assert answer.json == {
        "detail": [
            {
                "type": "extra_forbidden",
                "loc": ["query", "foo"],
                "msg": "Extra inputs are not permitted",
                "input": "1",
            }
        ]
    }


def test_who_asks_is_no_other_argument(shared: FlaskClient) -> None:
    assert shared.get(f"{MODELS}?user_id=alice").status_code == 200


def test_a_provider_out_of_reach(make_client: MakeClient) -> None:
    gone = {"name": "gone", "type": "openai", "base_url": "http://127.0.0.1:9/v1"}
    answer = make_client(inference={"providers": [gone]}).get(MODELS)
    assert answer.status_code == 503
    assert answer.json == {
        "detail": {"response": "Unable to connect to the LLM provider", "cause": "Connection error."}
    }


@pytest.mark.parametrize(("actions", "status"), [(["get_models"], 200), (["query"], 403)])
def test_it_needs_the_right(make_client: MakeClient, actions: list[str], status: int) -> None:
    client = make_client(authorization={"access_rules": [{"role": "*", "actions": actions}]})
    assert client.get(MODELS).status_code == status

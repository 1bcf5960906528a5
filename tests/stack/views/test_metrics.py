from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.stack.conftest import MakeClient

METRICS = "/metrics"


def test_they_are_in_prometheus_format(client: FlaskClient) -> None:
    answer = client.get(METRICS)
    assert answer.content_type == "text/plain; version=1.0.0; charset=utf-8"
    assert "python_info" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/v1/conversations/abc", "/v1/conversations/{conversation_id}", 400),
        ("GET", "/liveness", "/liveness", 200),
        ("POST", "/query", "/query", 422),
        ("GET", "/v1/query", "/v1/query", 405),
        ("HEAD", "/v1/info", "/v1/info", 200),
    ],
)
def test_routes_are_counted_by_their_template(
    client: FlaskClient, method: str, path: str, route: str, status: int
) -> None:
    assert client.open(path, method=method).status_code == status
    told = client.get(METRICS).text
    assert f'ls_rest_api_calls_total{{path="{route}",status_code="{status}"}} 1.0' in told
    assert f'ls_response_duration_seconds_count{{path="{route}"}} 1.0' in told


def test_paths_that_lead_nowhere_are_not(client: FlaskClient) -> None:
    client.get("/nowhere/at/all")
    assert "nowhere" not in client.get(METRICS).text


def test_how_full_the_spools_are(client: FlaskClient) -> None:
    client.post("/v1/query", json={"query": "hi"})
    told = client.get(METRICS).text
    assert 'ls_spool_records{kind="transcripts"} 1.0' in told
    assert 'ls_spool_records{kind="feedback"} 0.0' in told


def test_which_models_there_are(make_client: MakeClient) -> None:
    client = make_client(inference={"default_provider": "openai", "default_model": "ok"})
    told = client.get(METRICS).text
    assert 'ls_provider_model_configuration{model="ok",provider="openai"} 1.0' in told
    assert 'ls_provider_model_configuration{model="echo",provider="openai"} 0.0' in told


def test_a_provider_out_of_reach_does_not_matter(make_client: MakeClient) -> None:
    gone = {"name": "gone", "type": "openai", "base_url": "http://127.0.0.1:9/v1"}
    assert make_client(inference={"providers": [gone]}).get(METRICS).status_code == 200


def test_nor_does_a_spool_that_cannot_be_read(make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "feedback").write_text("in the way")
    assert make_client().get(METRICS).status_code == 200


def test_redactions_are_counted_by_filter(make_client: MakeClient) -> None:
    client = make_client(redaction={"filters": [{"name": "w", "pattern": "sesame", "replace_with": "x"}]})
    client.post("/v1/query", json={"query": "sesame sesame"})
    assert 'ls_redactions_total{filter="w"} 2.0' in client.get(METRICS).text


def test_refusals_are_counted(make_client: MakeClient) -> None:
    client = make_client(query_validity={"mode": "keywords", "keywords": ["nginx"]})
    client.post("/v1/query", json={"query": "bread"})
    told = client.get(METRICS).text
    assert 'ls_llm_validation_errors_total{endpoint="/v1/query"} 1.0' in told
    assert "ls_llm_calls_total{" not in told


def test_streams_are_measured(client: FlaskClient) -> None:
    client.post("/v1/streaming_query", json={"query": "hi"})
    told = client.get(METRICS).text
    assert 'ls_time_to_first_token_seconds_count{model="gpt-4o-mini",provider="openai"} 1.0' in told
    assert 'endpoint="/v1/streaming_query",model="gpt-4o-mini",provider="openai"} 1.0' in told
    assert "ls_streams_in_progress 0.0" in told
    assert 'ls_rest_api_calls_total{path="/v1/streaming_query",status_code="200"} 1.0' in told


def test_it_needs_a_user_and_the_right(make_client: MakeClient) -> None:
    client = make_client(
        authentication={"module": "noop-with-token"},
        authorization={"access_rules": [{"role": "user:alice", "actions": ["get_metrics"]}]},
    )
    assert client.get(METRICS).status_code == 401
    assert client.get(f"{METRICS}?user_id=bob", headers={"Authorization": "Bearer x"}).status_code == 403
    assert client.get(f"{METRICS}?user_id=alice", headers={"Authorization": "Bearer x"}).status_code == 200


def test_it_can_be_left_open(make_client: MakeClient) -> None:
    client = make_client(authentication={"module": "noop-with-token", "skip_for_metrics": True})
    assert client.get(METRICS).status_code == 200

"""What holds for every route: paths, methods, slashes, bodies, errors, headers; and the wiring itself."""

from __future__ import annotations

import logging
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import abort
from flask.testing import FlaskClient

from lightspeed_stack import app, parse
from lightspeed_stack.conversations import Conversations
from lightspeed_stack.daemon.config import ConfigError
from tests.fakes import postgres
from tests.fakes.application import application, configuration, provider
from tests.stack.conftest import MakeClient

JSON = "application/json"
POSTS = ["/v1/query", "/query", "/v1/streaming_query", "/streaming_query", "/v1/feedback", "/feedback"]
PUTS = ["/v1/feedback/status", "/v1/me/data-collection"]
GETS = [
    "/",
    "/docs",
    "/liveness",
    "/metrics",
    "/openapi.json",
    "/readiness",
    "/status",
    "/v1/config",
    "/v1/conversations",
    "/v1/feedback/status",
    "/v1/info",
    "/v1/me/data-collection",
    "/v1/models",
    "/v1/status",
]
SECRETS = {"authentication": {"module": "api-key-token", "api_key_config": {"api_key": "k"}}}
OPEN = ["/", "/status", "/docs", "/openapi.json", "/liveness", "/readiness", "/v1/feedback/status"]


class TestPathsAndMethods:
    @pytest.mark.parametrize(
        "path", ["/nope", "/v1", "/v1/nope", "/v2/conversations", "//v1/info", "/v1//info", "/redoc"]
    )
    def test_unknown_path(self, shared: FlaskClient, path: str) -> None:
        answer = shared.get(path)
        assert (answer.status_code, answer.data, answer.content_type) == (404, b'{"detail":"Not Found"}', JSON)

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/v1/query", "POST"),
            ("POST", "/v1/info", "GET, HEAD"),
            ("DELETE", "/v1/feedback/status", "GET, HEAD, PUT"),
            ("PATCH", "/v1/conversations/x", "DELETE, GET, HEAD, PUT"),
            ("OPTIONS", "/v1/info", "GET, HEAD"),
        ],
    )
    def test_wrong_method(self, shared: FlaskClient, method: str, path: str, allowed: str) -> None:
        answer = shared.open(path, method=method)
        assert (answer.status_code, answer.data, answer.content_type) == (405, b'{"detail":"Method Not Allowed"}', JSON)
        assert answer.headers["Allow"] == allowed

    @pytest.mark.parametrize("path", GETS)
    def test_head_works_wherever_get_does(self, shared: FlaskClient, path: str) -> None:
        full, head = shared.get(path), shared.head(path)
        assert (full.status_code, head.status_code, head.data) == (200, 200, b"")
        assert head.content_type == full.content_type

    @pytest.mark.parametrize(
        ("path", "target"),
        [
            ("/v1/feedback/", "/v1/feedback"),
            ("/v1/info/", "/v1/info"),
            ("/v1/info/?a=b%20c", "/v1/info?a=b%20c"),
            ("/v1/conversations/a%20b/", "/v1/conversations/a%20b"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_slash_at_the_end(self, shared: FlaskClient, method: str, path: str, target: str) -> None:
        answer = shared.open(path, method=method)
        assert (answer.status_code, answer.data) == (307, b"")
        assert answer.headers["Location"] == f"http://localhost{target}"

    @pytest.mark.parametrize("path", ["/nope/", "/v1/query//x/"])
    def test_a_slash_at_the_end_of_nothing(self, shared: FlaskClient, path: str) -> None:
        assert shared.get(path).status_code == 404

    def test_under_a_root_path(self, make_client: MakeClient) -> None:
        client = make_client(service={"root_path": "/assistant"})
        assert client.get("/assistant/v1/info").status_code == 200
        assert client.get("/assistant/v1/info/").headers["Location"] == "http://localhost/assistant/v1/info"


class TestBodies:
    @pytest.mark.parametrize("path", POSTS)
    def test_malformed_json(self, shared: FlaskClient, path: str) -> None:
        answer = shared.post(path, data=b"{", content_type=JSON)
        assert answer.status_code == 422
        assert answer.text == (
            '{"detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},'
            '"ctx":{"error":"Expecting property name enclosed in double quotes"}}]}'
        )

    @pytest.mark.parametrize("path", POSTS)
    def test_no_body(self, shared: FlaskClient, path: str) -> None:
        assert shared.post(path).text == (
            '{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}'
        )

    @pytest.mark.parametrize(("data", "shown"), [(b'{"query":"x"}', '"{\\"query\\":\\"x\\"}"'), (b"a", '"a"')])
    @pytest.mark.parametrize("path", POSTS)
    def test_a_body_of_another_kind(self, shared: FlaskClient, path: str, data: bytes, shown: str) -> None:
        answer = shared.post(path, data=data, content_type="text/plain")
        assert answer.status_code == 422
        assert answer.text == (
            '{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or '
            f'object to extract fields from","input":{shown}}}]}}'
        )

    @pytest.mark.parametrize("path", POSTS)
    def test_a_list(self, shared: FlaskClient, path: str) -> None:
        [item] = shared.post(path, json=[1]).json["detail"]
        assert (item["type"], item["input"]) == ("model_attributes_type", [1])

    def test_too_large(self, make_client: MakeClient) -> None:
        client = make_client(service={"max_request_bytes": 1024}, **SECRETS)
        answer = client.post("/v1/query", data=b"x" * 1025, content_type=JSON)
        assert answer.status_code == 413
        assert answer.json == {
            "detail": {"response": "Request is too large", "cause": "The request body is larger than 1024 bytes."}
        }
        assert client.post("/v1/query", data=b'{"query":"' + b"x" * 1012 + b'"}', content_type=JSON).status_code == 401

    @pytest.mark.parametrize("method_and_path", [("PUT", path) for path in PUTS] + [("POST", path) for path in POSTS])
    def test_malformed_json_comes_before_who_it_is(
        self, make_client: MakeClient, method_and_path: tuple[str, str]
    ) -> None:
        method, path = method_and_path
        client = make_client(**SECRETS)
        assert client.open(path, method=method, data=b"{", content_type=JSON).status_code == 422
        assert client.open(path, method=method, json={}).status_code == 401


class TestWhoNeedsCredentials:
    @pytest.mark.parametrize("path", GETS)
    def test_get(self, make_client: MakeClient, path: str) -> None:
        assert make_client(**SECRETS).get(path).status_code == (200 if path in OPEN else 401)

    def test_conversations(self, make_client: MakeClient) -> None:
        client = make_client(**SECRETS)
        path = "/v1/conversations/abc"
        answers = [client.get(path), client.delete(path), client.put(path, json={}), client.post("/authorized")]
        assert [answer.status_code for answer in answers] == [401] * 4


class TestErrors:
    def test_what_nobody_expected(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        def broken() -> str:
            raise RuntimeError("the reason")

        client.application.add_url_rule("/broken", "broken", broken)
        answer = client.get("/broken")
        assert (answer.status_code, answer.content_type) == (500, JSON)
        assert answer.json == {
            "detail": {
                "response": "Internal server error",
                "cause": "An unexpected error occurred while processing the request.",
            }
        }
        assert "RuntimeError: the reason" in caplog.text

    def test_what_flask_itself_refuses(self, client: FlaskClient) -> None:
        client.application.add_url_rule("/teapot", "teapot", lambda: abort(418))
        answer = client.get("/teapot")
        assert (answer.status_code, answer.json) == (418, {"detail": "I'm a teapot"})


class TestHeaders:
    def test_the_request_id_is_kept(self, shared: FlaskClient) -> None:
        assert shared.get("/v1/info", headers={"x-request-id": "abc"}).headers["x-request-id"] == "abc"

    def test_cors_everywhere(self, make_client: MakeClient) -> None:
        client = make_client(**SECRETS)
        for path in ("/v1/info", "/nope"):
            answer = client.get(path, headers={"Origin": "https://a.example"})
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in answer.headers
        assert "access-control-allow-origin" not in client.get("/v1/info").headers

    def test_any_page_is_no_page_where_nobody_needs_a_key(self, shared: FlaskClient) -> None:
        answer = shared.get("/v1/conversations", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
        assert shared.options("/v1/conversations/x", headers=asked).status_code == 400

    def test_a_preflight(self, make_client: MakeClient) -> None:
        client = make_client(**SECRETS)
        asked = {
            "Origin": "https://a.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-one",
        }
        answer = client.options("/v1/query", headers=asked)
        assert (answer.status_code, answer.text, answer.content_type) == (200, "OK", "text/plain; charset=utf-8")
        assert answer.headers["access-control-allow-methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
        assert answer.headers["access-control-max-age"] == "600"
        assert answer.headers["access-control-allow-headers"] == "x-one"
        assert "vary" not in answer.headers

    def test_cors_as_configured(self, make_client: MakeClient) -> None:
        cors = {"allow_origins": ["https://a.example"], "allow_credentials": True}
        client = make_client(service={"cors": cors})
        allowed = client.get("/v1/info", headers={"Origin": "https://a.example"}).headers
        assert allowed["access-control-allow-origin"] == "https://a.example"
        assert allowed["access-control-allow-credentials"] == "true"
        refused = client.get("/v1/info", headers={"Origin": "https://b.example"}).headers
        assert "access-control-allow-origin" not in refused


class TestLog:
    def test_one_line_a_request_with_nothing_of_the_texts(
        self, client: FlaskClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger="lightspeed_stack")
        client.post("/v1/query?user_id=alice", json={"query": "the question"}, headers={"x-request-id": "r1"})
        [line] = [record.getMessage() for record in caplog.records]
        assert re.fullmatch(
            r"POST /v1/query 200 \d+\.\d ms request=r1 user=[0-9a-f]{64} outcome=complete",
            line,
        )

    def test_a_user_id_that_is_shown_cannot_forge_a_field(
        self, make_client: MakeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = make_client(user_data_collection={"user_id_hashing": "none"})
        caplog.set_level(logging.INFO, logger="lightspeed_stack")
        client.get("/v1/info?user_id=a%20b%C5%99")
        assert "user=a%20b%C5%99 outcome" in caplog.text

    def test_it_can_be_switched_off(self, make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
        client = make_client(service={"access_log": False})
        caplog.set_level(logging.INFO, logger="lightspeed_stack")
        client.get("/v1/info")
        assert not caplog.records


class TestWiring:
    def test_every_route_is_described_or_a_page(self, shared: FlaskClient) -> None:
        rules = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in shared.application.url_map.iter_rules()}
        described = set(parse.specification()["paths"])
        pages = {rule for rule in rules if re.match(r"/($|docs|page|status$|openapi\.json)", rule)}
        aliases = {"/query", "/streaming_query", "/feedback"}
        assert rules - pages - aliases == described

    def test_every_described_method_is_there_and_no_other(self, shared: FlaskClient) -> None:
        for path, item in parse.specification()["paths"].items():
            rules = [r for r in shared.application.url_map.iter_rules() if r.rule == re.sub(r"{(\w+)}", r"<\1>", path)]
            methods = {method for rule in rules for method in rule.methods or ()} - {"HEAD"}
            assert methods == {method.upper() for method in item if method != "parameters"}, path

    @pytest.mark.parametrize(
        ("overrides", "key"),
        [
            ({"redaction": {"filters": [{"name": "w", "pattern": "(", "replace_with": ""}]}}, "redaction.filters[0]"),
            ({"customization": {"system_prompt_path": "/nowhere/at/all"}}, "customization.system_prompt_path"),
            (provider("https://127.0.0.1:99999/v1"), "base_url"),
            (provider("https://127.0.0.1/v1", ca_bundle="/nowhere/at/all"), "ca_bundle"),
            (provider("https://127.0.0.1/v1", headers={"X": "two\nlines"}), "headers"),
        ],
    )
    def test_check_names_the_key(self, tmp_path: Path, overrides: dict[str, Any], key: str) -> None:
        with pytest.raises(ConfigError) as raised:
            app.check(configuration(tmp_path, overrides))
        assert key in str(raised.value)

    def test_prepare_names_a_damaged_secret(self, tmp_path: Path) -> None:
        settings = configuration(tmp_path)
        settings.state_dir.mkdir()
        (settings.state_dir / "user-id-secret").write_text("short")
        with pytest.raises(ConfigError, match="user-id-secret"):
            app.prepare(settings)

    def test_prepare_forgets_conversations_that_a_crash_left_empty(self, tmp_path: Path) -> None:
        settings = configuration(tmp_path)
        settings.state_dir.mkdir(parents=True)
        conversations = Conversations(f"sqlite:///{settings.state_dir}/conversations.db")
        now = datetime.now(UTC)
        for identity, began in (("old", now - timedelta(days=2)), ("new", now)):
            conversations.open(identity, "alice", ("p", "m"), began, None)
        app.prepare(settings)
        assert (conversations.has("old"), conversations.has("new")) == (False, True)

    def test_prepare_leaves_what_another_host_may_have_records_of(self, tmp_path: Path) -> None:
        if why := postgres.missing():
            pytest.skip(why)
        server = postgres.Postgres()
        try:
            server.start()
            kept = Conversations(server.url)
            kept.open("c-1", "alice", ("p", "m"), datetime.now(UTC) - timedelta(days=2), None)
            database = {"host": str(server.directory), "db": "postgres", "user": postgres.USER, "ssl_mode": "disable"}
            app.prepare(configuration(tmp_path, {"database": {"postgres": database}}))
            assert kept.has("c-1")
            kept.close()
        finally:
            server.remove()

    def test_prepare_removes_what_a_crash_left(self, tmp_path: Path) -> None:
        folder = tmp_path / "spool" / "feedback"
        folder.mkdir(parents=True)
        draft = folder / ".20250804T165952.004143Z_ad14e9de-72d6-42a3-98bf-017e9c0a6b89_5f3a9c1e.json"
        draft.write_text("{")
        os.utime(draft, (1, 1))
        application(tmp_path)
        assert not draft.exists()

    def test_a_worker_that_exited_is_forgotten(self, tmp_path: Path) -> None:
        metrics = tmp_path / "metrics"
        metrics.mkdir()
        (metrics / "gauge_livesum_4711.db").write_bytes(b"")
        app.worker_exited(tmp_path, 4711)
        assert list(metrics.iterdir()) == []

"""POST /v1/query over HTTP: the answer, its record, its errors; shapes and words are upstream's."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.fakes.application import application, provider
from tests.fakes.provider import FakeProvider
from tests.stack.conftest import MakeClient

QUERY = "/v1/query"
SESAME = {"filters": [{"name": "word", "pattern": "sesame", "replace_with": "[x]"}]}
NGINX = {"mode": "keywords", "keywords": ["nginx"], "refusal": "Only about nginx."}
TOKEN = {"Authorization": "Bearer x"}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n...").decode()


def transcripts(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "spool" / "transcripts").glob("[!.]*.json"))]


def asked(fake: FakeProvider) -> list[dict[str, Any]]:
    """The messages of the last question that the provider got."""
    messages: list[dict[str, Any]] = fake.asked[-1].body["messages"]
    return messages


def detail(response: str, cause: str) -> dict[str, Any]:
    return {"detail": {"response": response, "cause": cause}}


def using(model: str, query: str = "hi") -> dict[str, str]:
    return {"query": query, "provider": "openai", "model": model}


class TestAnswer:
    @pytest.mark.parametrize("path", [QUERY, "/query"])
    def test_keys_and_their_order(self, client: FlaskClient, path: str) -> None:
        answer = client.post(path, json={"query": "hi"})
        assert answer.status_code == 200
        assert answer.content_type == "application/json"
        identity = json.loads(answer.data)["conversation_id"]
        assert uuid.UUID(identity).version == 4
        assert answer.data.decode() == (
            f'{{"conversation_id":"{identity}","response":"Hello from fake","rag_chunks":[],"referenced_documents":[],'
            '"truncated":false,"input_tokens":11,"output_tokens":3,"available_quotas":{},"tool_calls":[],'
            '"tool_results":[]}'
        )

    def test_it_is_utf8(self, client: FlaskClient) -> None:
        assert "žluťoučký 🐎".encode() in client.post(QUERY, json=using("echo", "žluťoučký 🐎")).data

    def test_an_empty_question_is_asked(self, client: FlaskClient) -> None:
        assert client.post(QUERY, json={"query": ""}).status_code == 200

    def test_what_has_no_effect_is_taken(self, client: FlaskClient) -> None:
        more = {"no_tools": True, "shield_ids": ["x"], "vector_store_ids": ["y"], "solr": {"mode": "hybrid"}}
        answer = client.post(QUERY, json={"query": "hi", **more}, headers={"MCP-HEADERS": "nonsense"})
        assert answer.status_code == 200

    def test_media_type_changes_nothing_here(self, client: FlaskClient) -> None:
        answer = client.post(QUERY, json={"query": "hi", "media_type": "text/plain"})
        assert answer.content_type == "application/json"

    def test_characters_beyond_the_basic_plane(self, client: FlaskClient) -> None:
        answer = client.post(QUERY, json=using("echo", "\N{HORSE}"))
        assert answer.json["response"] == "\N{HORSE}"

    def test_the_provider_may_think_for_longer_than_a_stream_may_pause(
        self, tmp_path: Path, fake: FakeProvider
    ) -> None:
        client = application(tmp_path, provider(fake.url, read_timeout_seconds=0.2)).test_client()
        assert client.post(QUERY, json=using("thinking")).json["response"] == "Hello from fake"

    def test_another_provider_may_judge(self, tmp_path: Path, fake: FakeProvider) -> None:
        with FakeProvider() as judge:
            both = [
                *provider(fake.url)["inference"]["providers"],
                {"name": "j", "type": "openai", "base_url": judge.url},
            ]
            validity = {"mode": "provider", "topic": "Linux", "provider": "j"}
            client = application(tmp_path, {"inference": {"providers": both}, "query_validity": validity}).test_client()
            assert client.post(QUERY, json={"query": "hi"}).status_code == 200
            assert [request.model for request in judge.asked] == ["gpt-4o-mini"]


class TestConversation:
    def test_it_is_continued(self, client: FlaskClient, fake: FakeProvider) -> None:
        first = client.post(QUERY, json={"query": "one"}).json
        second = client.post(QUERY, json={"query": "two", "conversation_id": first["conversation_id"]}).json
        assert second["conversation_id"] == first["conversation_id"]
        assert [(message["role"], message["content"]) for message in asked(fake)] == [
            ("system", "You are a helpful assistant"),
            ("user", "one"),
            ("assistant", "Hello from fake"),
            ("user", "two"),
        ]

    def test_its_id_may_be_written_in_any_form(self, client: FlaskClient) -> None:
        identity = client.post(QUERY, json={"query": "one"}).json["conversation_id"]
        written = "{" + identity.replace("-", "").upper() + "}"
        answer = client.post(QUERY, json={"query": "two", "conversation_id": written})
        assert answer.json["conversation_id"] == identity

    @pytest.mark.parametrize("identity", ["3d9f6a52-8f0e-4c57-9c1e-2b7f4a6d8e10", "conv_" + "ab" * 24])
    def test_unknown(self, client: FlaskClient, identity: str) -> None:
        answer = client.post(QUERY, json={"query": "hi", "conversation_id": identity})
        plain = identity.removeprefix("conv_")
        assert answer.status_code == 404
        assert answer.json == detail("Conversation not found", f"Conversation with ID {plain} does not exist")

    def test_somebody_elses(self, client: FlaskClient) -> None:
        identity = client.post(f"{QUERY}?user_id=alice", json={"query": "hi"}).json["conversation_id"]
        answer = client.post(f"{QUERY}?user_id=bob", json={"query": "hi", "conversation_id": identity})
        assert answer.status_code == 403
        assert answer.json == detail(
            "User does not have permission to perform this action",
            f"User bob does not have permission to read conversation with ID {identity}",
        )

    def test_the_last_model_is_used_again(self, client: FlaskClient, fake: FakeProvider) -> None:
        first = client.post(QUERY, json=using("echo")).json
        client.post(QUERY, json={"query": "and now", "conversation_id": first["conversation_id"]})
        assert fake.asked[-1].body["model"] == "echo"
        client.post(QUERY, json={"query": "new one"})
        assert fake.asked[-1].body["model"] == "gpt-4o-mini"

    def test_history_is_cut_to_the_window(self, make_client: MakeClient, fake: FakeProvider) -> None:
        client = make_client(
            inference={
                "providers": [{"name": "openai", "type": "openai", "base_url": fake.url, "context_window": 400}],
            }
        )
        first = client.post(QUERY, json={"query": "first " + "word " * 100}).json
        assert first["truncated"] is False
        second = client.post(
            QUERY, json={"query": "second " + "word " * 100, "conversation_id": first["conversation_id"]}
        ).json
        assert second["truncated"] is True
        assert [message["role"] for message in asked(fake)] == ["system", "user"]

    def test_a_question_that_does_not_fit_at_all(self, make_client: MakeClient, fake: FakeProvider) -> None:
        client = make_client(
            inference={
                "providers": [{"name": "openai", "type": "openai", "base_url": fake.url, "context_window": 400}],
            }
        )
        answer = client.post(QUERY, json={"query": "word " * 2000})
        assert answer.status_code == 413
        assert answer.json == detail(
            "Prompt is too long", "The input exceeds the context window size of model 'openai/gpt-4o-mini'."
        )


class TestModel:
    def test_the_pair_asked_for(self, client: FlaskClient, fake: FakeProvider) -> None:
        assert client.post(QUERY, json=using("echo", "say it")).json["response"]
        assert fake.asked[-1].body["model"] == "echo"

    def test_the_configured_default(self, make_client: MakeClient, fake: FakeProvider) -> None:
        client = make_client(inference={"default_provider": "openai", "default_model": "echo"})
        client.post(QUERY, json={"query": "hi"})
        assert fake.asked[-1].body["model"] == "echo"

    @pytest.mark.parametrize(("provider", "model"), [("openai", "none"), ("nobody", "ok")])
    def test_unknown(self, client: FlaskClient, provider: str, model: str) -> None:
        answer = client.post(QUERY, json={"query": "hi", "provider": provider, "model": model})
        assert answer.status_code == 404
        assert answer.json == detail("Model not found", f"Model with ID {model} does not exist")

    def test_none_at_all(self, make_client: MakeClient) -> None:
        with FakeProvider(models=()) as poor:
            client = make_client(inference={"providers": [{"name": "p", "type": "openai", "base_url": poor.url}]})
            answer = client.post(QUERY, json={"query": "hi"})
        assert answer.status_code == 404
        assert answer.json == detail("Model not found", "No Model is configured")

    def test_overriding_it_can_be_forbidden(self, make_client: MakeClient) -> None:
        client = make_client(authorization={"access_rules": [{"role": "*", "actions": ["query"]}]})
        assert client.post(QUERY, json={"query": "hi"}).status_code == 200
        answer = client.post(QUERY, json=using("ok"))
        assert answer.status_code == 403
        assert answer.json == detail(
            "This instance does not permit overriding model/provider in the query request (missing permission: "
            "model_override). Please remove the model and provider fields from your request.",
            "User lacks model_override permission required to override model/provider.",
        )


class TestSystemPrompt:
    def test_the_requests_own_comes_first(self, make_client: MakeClient, fake: FakeProvider) -> None:
        client = make_client(customization={"system_prompt": "Be brief"})
        client.post(QUERY, json={"query": "hi", "system_prompt": "Be loud"})
        assert asked(fake)[0] == {"role": "system", "content": "Be loud"}

    def test_then_the_configured(self, make_client: MakeClient, fake: FakeProvider) -> None:
        make_client(customization={"system_prompt": "Be brief"}).post(QUERY, json={"query": "hi", "system_prompt": ""})
        assert asked(fake)[0]["content"] == "Be brief"

    def test_a_file_wins_over_the_inline_one(self, make_client: MakeClient, fake: FakeProvider, tmp_path: Path) -> None:
        file = tmp_path / "prompt.txt"
        file.write_text("From a file: ř\n\n")
        make_client(customization={"system_prompt": "Be brief", "system_prompt_path": str(file)}).post(
            QUERY, json={"query": "hi"}
        )
        assert asked(fake)[0]["content"] == "From a file: ř"

    def test_it_can_be_fixed(self, make_client: MakeClient) -> None:
        client = make_client(customization={"disable_query_system_prompt": True})
        assert client.post(QUERY, json={"query": "hi", "system_prompt": ""}).status_code == 200
        answer = client.post(QUERY, json={"query": "hi", "system_prompt": "x"})
        assert answer.status_code == 422
        assert answer.json == detail(
            "System prompt customization is disabled",
            "This instance does not support customizing the system prompt (disable_query_system_prompt is set). "
            "Please remove the system_prompt field from your request.",
        )


class TestAttachments:
    def test_text_follows_the_question(self, client: FlaskClient, fake: FakeProvider, tmp_path: Path) -> None:
        attachment = {"attachment_type": "log", "content_type": "text/plain", "content": "it broke"}
        client.post(QUERY, json={"query": "why?", "attachments": [attachment]})
        assert asked(fake)[-1]["content"] == "why?\n\n[Attachment: log]\nit broke"
        assert transcripts(tmp_path)[0]["attachments"] == [attachment]

    def test_images_are_parts(self, client: FlaskClient, fake: FakeProvider) -> None:
        image = {"attachment_type": "image", "content_type": "image/png", "content": PNG}
        client.post(QUERY, json={"query": "what?", "attachments": [image]})
        assert asked(fake)[-1]["content"] == [
            {"type": "text", "text": "what?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        ]

    @pytest.mark.parametrize(
        ("kind", "content_type", "cause"),
        [
            ("foo", "text/plain", "Invalid attachment type foo: must be one of frozenset({"),
            ("foo", "text/x", "Invalid attachment type foo: must be one of frozenset({"),
            ("log", "text/x", "Invalid attachment content type text/x: must be one of frozenset({"),
        ],
    )
    def test_unknown_kinds(self, client: FlaskClient, kind: str, content_type: str, cause: str) -> None:
        attachment = {"attachment_type": kind, "content_type": content_type, "content": "x"}
        unknown = str(uuid.uuid4())  # looked at after the attachments
        answer = client.post(QUERY, json={"query": "q", "attachments": [attachment], "conversation_id": unknown})
        assert answer.status_code == 422
        assert answer.json["detail"]["response"] == "Invalid attribute value"
        assert answer.json["detail"]["cause"].startswith(cause)

    @pytest.mark.parametrize(
        ("attachment", "message"),
        [
            (
                ("log", "image/png", PNG),
                "attachment_type and content_type are inconsistent: attachment_type='log', content_type='image/png'",
            ),
            (("image", "image/png", "!"), "Invalid base64 content for image attachment: "),
            (
                ("image", "image/jpeg", PNG),
                "Image content does not match declared content_type 'image/jpeg': invalid image data",
            ),
        ],
    )
    def test_what_is_inconsistent(self, client: FlaskClient, attachment: tuple[str, str, str], message: str) -> None:
        sent = dict(zip(("attachment_type", "content_type", "content"), attachment, strict=True))
        answer = client.post(QUERY, json={"query": "q", "attachments": [sent]})
        assert answer.status_code == 422
        [item] = answer.json["detail"]
        assert (item["type"], item["loc"], item["ctx"]) == ("value_error", ["body", "attachments", 0], {"error": {}})
        assert item["msg"].startswith(f"Value error, {message}")

    def test_too_many_and_too_large(self, make_client: MakeClient) -> None:
        client = make_client(service={"max_attachments": 1, "max_attachment_bytes": 1024})
        small = {"attachment_type": "log", "content_type": "text/plain", "content": "x"}
        [item] = client.post(QUERY, json={"query": "q", "attachments": [small, small]}).json["detail"]
        assert item["type"] == "too_long"
        answer = client.post(QUERY, json={"query": "q", "attachments": [small | {"content": "x" * 1025}]})
        assert answer.status_code == 413


class TestRedaction:
    def test_nothing_of_it_reaches_provider_disk_or_database(
        self, make_client: MakeClient, fake: FakeProvider, tmp_path: Path
    ) -> None:
        client = make_client(redaction=SESAME)
        attachment = {"attachment_type": "log", "content_type": "text/plain", "content": "a sesame b"}
        body = {"query": "open sesame", "system_prompt": "sesame?", "attachments": [attachment]} | {
            "provider": "openai",
            "model": "echo",
        }
        identity = client.post(QUERY, json=body).json["conversation_id"]
        assert "sesame" not in json.dumps(fake.asked[-1].body)
        [record] = transcripts(tmp_path)
        assert record["redacted_query"] == "open [x]"
        assert record["attachments"][0]["content"] == "a [x] b"
        assert "sesame" not in json.dumps(record)
        assert "sesame" not in client.get(f"/v1/conversations/{identity}").text
        assert "sesame" not in client.get("/v1/conversations").text

    def test_a_filter_holds_for_what_was_remembered_before_it(
        self, make_client: MakeClient, fake: FakeProvider
    ) -> None:
        identity = make_client().post(QUERY, json={"query": "open sesame"}).json["conversation_id"]
        make_client(redaction=SESAME).post(QUERY, json={"query": "and now?", "conversation_id": identity})
        assert [message["content"] for message in asked(fake)][1:] == ["open [x]", "Hello from fake", "and now?"]

    def test_of_the_answer_the_user_sees_all_and_the_record_the_rest(
        self, make_client: MakeClient, tmp_path: Path
    ) -> None:
        filters = {"filters": [{"name": "word", "pattern": "fake", "replace_with": "[x]"}]}
        client = make_client(redaction=filters)
        assert client.post(QUERY, json={"query": "hi"}).json["response"] == "Hello from fake"
        assert transcripts(tmp_path)[0]["llm_response"] == "Hello from [x]"


class TestValidity:
    def test_a_question_out_of_scope_is_refused_and_recorded_and_not_asked(
        self, make_client: MakeClient, fake: FakeProvider, tmp_path: Path
    ) -> None:
        client = make_client(query_validity=NGINX)
        before = len(fake.asked)
        answer = client.post(QUERY, json={"query": "How do I bake bread?"})
        assert answer.status_code == 200
        assert answer.json["response"] == "Only about nginx."
        assert (answer.json["input_tokens"], answer.json["output_tokens"]) == (0, 0)
        assert len(fake.asked) == before
        [record] = transcripts(tmp_path)
        assert record["query_is_valid"] is False
        assert record["llm_response"] == "Only about nginx."

    def test_a_question_in_scope_is_answered(self, make_client: MakeClient, tmp_path: Path) -> None:
        client = make_client(query_validity=NGINX)
        assert client.post(QUERY, json={"query": "Restart nginx?"}).json["response"] == "Hello from fake"
        assert transcripts(tmp_path)[0]["query_is_valid"] is True

    def test_a_model_may_judge(self, make_client: MakeClient, fake: FakeProvider) -> None:
        client = make_client(
            query_validity={"mode": "provider", "topic": "nginx", "provider": "openai", "model": "echo"}
        )
        assert client.post(QUERY, json={"query": "Is it?"}).status_code == 200
        assert [request.body["model"] for request in fake.asked[-2:]] == ["echo", "gpt-4o-mini"]


class TestRetrieval:
    def test_documents_go_into_prompt_answer_and_record(
        self, make_client: MakeClient, fake: FakeProvider, tmp_path: Path
    ) -> None:
        documents = tmp_path / "documents"
        documents.mkdir()
        (documents / "frobnicator.md").write_text("# Frobnicator\n\nTurn the frobnicator with frobctl --turn.\n")
        client = make_client(rag={"enabled": True, "directories": [str(documents)], "top_k": 2, "min_score": 0.1})
        answer = client.post(QUERY, json={"query": "How do I turn the frobnicator?"}).json
        assert "frobctl --turn" in asked(fake)[-1]["content"]
        [chunk] = answer["rag_chunks"]
        assert sorted(chunk) == ["attributes", "content", "score", "source"]
        assert "frobctl --turn" in chunk["content"]
        [document] = answer["referenced_documents"]
        assert list(document) == ["doc_url", "doc_title", "source", "document_id"]
        assert document["doc_title"] == "Frobnicator"
        assert transcripts(tmp_path)[0]["rag_chunks"] == [chunk]

    def test_documents_are_redacted_in_prompt_and_record(
        self, make_client: MakeClient, fake: FakeProvider, tmp_path: Path
    ) -> None:
        documents = tmp_path / "documents"
        documents.mkdir()
        (documents / "sesame.md").write_text("# The sesame door\n\nOpen the door with sesame.\n")
        rag = {"enabled": True, "directories": [str(documents)], "min_score": 0.1}
        client = make_client(rag=rag, redaction=SESAME)
        client.post(QUERY, json={"query": "How do I open the door?"})
        assert "The [x] door" in asked(fake)[-1]["content"]
        assert "with [x]." in asked(fake)[-1]["content"]
        assert "sesame" not in json.dumps([*asked(fake), *transcripts(tmp_path)])
        assert "with [x]." in transcripts(tmp_path)[0]["rag_chunks"][0]["content"]

    def test_a_document_of_the_embedded_provider_is_redacted_in_the_record(
        self, make_client: MakeClient, tmp_path: Path
    ) -> None:
        providers = {"providers": [{"name": "embedded", "type": "embedded"}]}
        client = make_client(
            inference=providers, redaction={"filters": [{"name": "c", "pattern": "systemctl", "replace_with": "[x]"}]}
        )
        answer = client.post(QUERY, json={"query": "How do I restart a service?"}).json
        assert "systemctl" in answer["response"]
        assert "systemctl" not in json.dumps(transcripts(tmp_path))

    def test_what_the_embedded_provider_looked_up_is_told_too(self, make_client: MakeClient) -> None:
        client = make_client(inference={"providers": [{"name": "embedded", "type": "embedded"}]})
        answer = client.post(QUERY, json={"query": "How do I restart a service?"}).json
        assert len(answer["rag_chunks"]) == 1
        assert len(answer["referenced_documents"]) == 1


class TestTranscript:
    def test_keys_and_their_order(self, client: FlaskClient, tmp_path: Path) -> None:
        identity = client.post(QUERY, json={"query": "hi"}).json["conversation_id"]
        [record] = transcripts(tmp_path)
        assert list(record) == [
            "metadata",
            "redacted_query",
            "query_is_valid",
            "llm_response",
            "rag_chunks",
            "truncated",
            "attachments",
            "tool_calls",
            "tool_results",
            "extensions",
        ]
        assert list(record["metadata"]) == ["provider", "model", "user_id", "conversation_id", "timestamp"]
        assert record["metadata"]["conversation_id"] == identity
        assert (record["metadata"]["provider"], record["metadata"]["model"]) == ("openai", "gpt-4o-mini")
        assert len(record["metadata"]["user_id"]) == 64
        assert record["extensions"] == {
            "outcome": "complete",
            "query_provider": None,
            "query_model": None,
            "input_tokens": 11,
            "output_tokens": 3,
        }

    def test_what_the_client_asked_for_is_kept_apart(self, client: FlaskClient, tmp_path: Path) -> None:
        client.post(QUERY, json=using("echo"))
        extensions = transcripts(tmp_path)[0]["extensions"]
        assert (extensions["query_provider"], extensions["query_model"]) == ("openai", "echo")

    def test_none_when_transcripts_are_off(self, make_client: MakeClient, tmp_path: Path) -> None:
        client = make_client(user_data_collection={"transcripts_enabled": False})
        assert client.post(QUERY, json={"query": "hi"}).status_code == 200
        assert transcripts(tmp_path) == []

    def test_one_that_cannot_be_stored_costs_nobody_the_answer(
        self, make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "spool").mkdir()
        (tmp_path / "spool" / "transcripts").write_text("in the way")
        client = make_client()
        answer = client.post(QUERY, json={"query": "hi"})
        assert (answer.status_code, answer.json["response"]) == (200, "Hello from fake")
        assert "a transcript is lost" in caplog.text
        assert 'ls_spool_failures_total{cause="not-writable",kind="transcripts"} 1.0' in client.get("/metrics").text


class TestOptOut:
    @pytest.mark.parametrize("said", ["off", "OFF", "no", "false", "0", "whatever", ""])
    def test_by_header(self, client: FlaskClient, tmp_path: Path, said: str) -> None:
        answer = client.post(QUERY, json={"query": "hi"}, headers={"x-data-collection": said})
        assert answer.status_code == 200
        assert transcripts(tmp_path) == []

    @pytest.mark.parametrize("said", ["on", "true", "1", " yes "])
    def test_consent_by_header_is_no_opt_out(self, client: FlaskClient, tmp_path: Path, said: str) -> None:
        client.post(QUERY, json={"query": "hi"}, headers={"x-data-collection": said})
        assert len(transcripts(tmp_path)) == 1

    def test_by_setting_of_this_user_alone(self, client: FlaskClient, tmp_path: Path) -> None:
        client.put("/v1/me/data-collection?user_id=alice", json={"enabled": False})
        client.post(f"{QUERY}?user_id=alice", json={"query": "from alice"}, headers={"x-data-collection": "on"})
        client.post(f"{QUERY}?user_id=bob", json={"query": "from bob"})
        assert [record["redacted_query"] for record in transcripts(tmp_path)] == ["from bob"]

    def test_it_is_remembered_all_the_same(self, client: FlaskClient, fake: FakeProvider) -> None:
        off = {"x-data-collection": "off"}
        identity = client.post(QUERY, json={"query": "one"}, headers=off).json["conversation_id"]
        client.post(QUERY, json={"query": "two", "conversation_id": identity}, headers=off)
        assert len(asked(fake)) == 4

    def test_it_is_counted(self, client: FlaskClient) -> None:
        client.post(QUERY, json={"query": "hi"}, headers={"x-data-collection": "off"})
        assert 'ls_opt_outs_total{kind="transcripts"} 1.0' in client.get("/metrics").text


class TestProviderFailures:
    GENERIC = detail("Internal server error", "An unexpected error occurred while processing the request.")

    @pytest.mark.parametrize("model", ["status-500", "status-502", "not-json", "wrong-shape", "no-choices", "html"])
    def test_an_error_or_nonsense(self, client: FlaskClient, model: str) -> None:
        answer = client.post(QUERY, json=using(model))
        assert (answer.status_code, answer.json) == (500, self.GENERIC)

    @pytest.mark.parametrize("model", ["status-429", "resource-exhausted"])
    def test_quota(self, client: FlaskClient, model: str) -> None:
        answer = client.post(QUERY, json=using(model))
        assert answer.status_code == 429
        assert answer.json == detail(
            "The model quota has been exceeded", f"The token quota for model openai/{model} has been exceeded."
        )

    def test_when_to_come_again_is_passed_on(self, client: FlaskClient) -> None:
        assert client.post(QUERY, json=using("retry-later")).headers["Retry-After"] == "17"

    def test_the_models_own_window(self, client: FlaskClient) -> None:
        answer = client.post(QUERY, json=using("context-length"))
        assert answer.status_code == 413
        assert answer.json == detail(
            "Prompt is too long", "The input exceeds the context window size of model 'openai/context-length'."
        )

    def test_out_of_reach(self, make_client: MakeClient) -> None:
        gone = {"name": "gone", "type": "openai", "base_url": "http://127.0.0.1:9/v1", "models": ["m"]}
        answer = make_client(inference={"providers": [gone]}).post(QUERY, json={"query": "hi"})
        assert answer.status_code == 503
        assert answer.json == detail("Unable to connect to the LLM provider", "Connection error.")

    def test_nothing_is_kept_of_a_question_that_was_not_answered(self, client: FlaskClient, tmp_path: Path) -> None:
        client.post(QUERY, json=using("status-500"))
        assert transcripts(tmp_path) == []
        assert client.get("/v1/conversations").json == {"conversations": []}

    def test_the_providers_words_are_not_passed_on(self, client: FlaskClient) -> None:
        assert "sk-secret" not in client.post(QUERY, json=using("plain-text-error")).text


class TestOrderOfChecks:
    """Malformed JSON, then who it is, then the schema, then what they may do, then the rest."""

    @pytest.fixture
    def guarded(self, make_client: MakeClient) -> FlaskClient:
        return make_client(
            authentication={"module": "noop-with-token"},
            authorization={"access_rules": [{"role": "user:alice", "actions": ["query"]}]},
        )

    def test_malformed_before_who(self, guarded: FlaskClient) -> None:
        answer = guarded.post(QUERY, data="{", content_type="application/json")
        assert answer.status_code == 422
        assert answer.json["detail"][0]["type"] == "json_invalid"

    def test_who_before_schema(self, guarded: FlaskClient) -> None:
        answer = guarded.post(QUERY, json={})
        assert answer.status_code == 401
        assert answer.json == detail(
            "Missing or invalid credentials provided by client", "No Authorization header found"
        )

    def test_schema_before_rights(self, guarded: FlaskClient) -> None:
        assert guarded.post(QUERY, json={}, headers=TOKEN).status_code == 422

    def test_rights_before_the_conversation(self, guarded: FlaskClient) -> None:
        body = {"query": "q", "conversation_id": str(uuid.uuid4())}
        answer = guarded.post(f"{QUERY}?user_id=bob", json=body, headers=TOKEN)
        assert answer.status_code == 403
        assert answer.json == detail(
            "User does not have permission to access this endpoint",
            "User bob is not authorized to access this endpoint.",
        )
        assert guarded.post(f"{QUERY}?user_id=alice", json=body, headers=TOKEN).status_code == 404


class TestMetrics:
    def test_calls_tokens_and_failures(self, client: FlaskClient) -> None:
        client.post(QUERY, json=using("ok"))
        client.post(QUERY, json=using("status-500"))
        told = client.get("/metrics").text
        labels = 'endpoint="/v1/query",model="ok",provider="openai"'
        assert f"ls_llm_calls_total{{{labels}}} 1.0" in told
        assert f"ls_llm_token_sent_total{{{labels}}} 11.0" in told
        assert f"ls_llm_token_received_total{{{labels}}} 3.0" in told
        failed = labels.replace('"ok"', '"status-500"')
        assert f"ls_llm_calls_total{{{failed}}} 1.0" in told
        assert f"ls_llm_calls_failures_total{{{failed}}} 1.0" in told
        assert 'ls_rest_api_calls_total{path="/v1/query",status_code="200"} 1.0' in told
        assert 'ls_rest_api_calls_total{path="/v1/query",status_code="500"} 1.0' in told
        assert 'ls_records_spooled_total{kind="transcripts"} 1.0' in told

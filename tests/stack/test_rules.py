from pathlib import Path
from typing import Any

import pytest
import yaml

from lightspeed_stack import config
from lightspeed_stack.daemon.config import ConfigError, load
from lightspeed_stack.rules import is_loopback
from tests.fakes.application import application, provider
from tests.fakes.provider import FakeProvider


def faults(tmp_path: Path, data: dict[str, Any]) -> list[str]:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(data))
    try:
        config.read(load(path, {}))
    except ConfigError as error:
        return [f"{fault.key}: {fault.message}" for fault in error.faults]
    return []


OPENAI = {"name": "a", "type": "openai", "base_url": "http://127.0.0.1:1/v1"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            {"user_data_collection": {"feedback_enabled": True, "feedback_storage": None}},
            "user_data_collection.feedback_storage: feedback_storage is required when feedback is enabled",
        ),
        (
            {"user_data_collection": {"transcripts_enabled": True, "transcripts_storage": None}},
            "user_data_collection.transcripts_storage: transcripts_storage is required when transcripts is enabled",
        ),
        (
            {"database": {"sqlite": {"db_path": "/a"}, "postgres": {"db": "a", "user": "b"}}},
            "database: Only one database configuration can be provided",
        ),
        (
            {"authentication": {"module": "jwk-token"}},
            "authentication.jwk_config: JWK configuration must be specified when using JWK token authentication",
        ),
        (
            {"authentication": {"module": "api-key-token"}},
            "authentication.api_key_config: API Key configuration section must be specified when using API Key token authentication",
        ),
        (
            {"authentication": {"module": "api-key-token", "api_key_config": {}}},
            "authentication.api_key_config.keys: needs at least one key",
        ),
        (
            {"authentication": {"module": "rh-identity"}},
            "authentication.rh_identity_config: RH Identity configuration must be specified when using RH Identity authentication",
        ),
        (
            {"authentication": {"module": "trusted-proxy"}},
            "authentication.trusted_proxy_config: Trusted proxy configuration must be specified when using trusted-proxy authentication",
        ),
        (
            {"authorization": {"access_rules": [{"role": "*", "actions": ["admin", "query"]}]}},
            "authorization.access_rules[0].actions: admin is everything and must stand alone",
        ),
        (
            {"service": {"cors": {"allow_credentials": True}}},
            "service.cors.allow_credentials: is not possible while allow_origins has *",
        ),
        ({"inference": {"providers": [OPENAI, OPENAI]}}, "inference.providers[1].name: a stands twice"),
        (
            {"inference": {"providers": [{"name": "a", "type": "openai"}]}},
            "inference.providers[0].base_url: is required for a provider of type openai",
        ),
        (
            {"inference": {"providers": [OPENAI | {"api_key": "k", "api_key_file": "f"}]}},
            "inference.providers[0].api_key_file: only one of api_key and api_key_file can be given",
        ),
        *(
            ({"llama_stack": {"url": url}}, "llama_stack.url: is not a URL")
            for url in ("http://[bad", "http://host:port/", "http://user:pa/ss@host")
        ),
        (
            {"inference": {"providers": [OPENAI | {"base_url": "http://[bad"}]}},
            "inference.providers[0].base_url: is not a URL",
        ),
        (
            {"llama_stack": {"url": "http://127.0.0.1:1", "api_key": "a\x7fb"}},
            "llama_stack.api_key: has characters that a header can't have",
        ),
        (
            {"inference": {"default_provider": "embedded"}},
            "inference.default_model: Default model must be specified when default provider is set",
        ),
        (
            {"inference": {"default_model": "m"}},
            "inference.default_provider: Default provider must be specified when default model is set",
        ),
        (
            {"inference": {"default_provider": "b", "default_model": "m", "providers": [OPENAI]}},
            "inference.default_provider: is none of inference.providers",
        ),
        (
            {"query_validity": {"mode": "keywords"}},
            "query_validity.keywords: is required when query_validity.mode is keywords",
        ),
        (
            {"query_validity": {"mode": "provider"}},
            "query_validity.topic: is required when query_validity.mode is provider",
        ),
        (
            {"query_validity": {"provider": "b"}, "inference": {"providers": [OPENAI]}},
            "query_validity.provider: is none of inference.providers",
        ),
        (
            {"redaction": {"filters": [{"name": "a", "pattern": "x"}, {"name": "a", "pattern": "y"}]}},
            "redaction.filters[1].name: a stands twice",
        ),
    ],
)
def test_keys_that_need_or_exclude_each_other(tmp_path: Path, data: dict[str, Any], expected: str) -> None:
    assert faults(tmp_path, data) == [expected]


@pytest.mark.parametrize("module", ["noop", "noop-with-token"])
def test_nobody_is_let_in_from_outside_unasked(tmp_path: Path, module: str) -> None:
    data: dict[str, Any] = {"service": {"host": "0.0.0.0"}, "authentication": {"module": module}}
    [fault] = faults(tmp_path, data)
    assert fault.startswith(f"authentication.module: {module} would let anyone who reaches 0.0.0.0 ask")
    data["authentication"]["allow_insecure"] = True
    assert faults(tmp_path, data) == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("host.example", False),
    ],
)
def test_knows_which_addresses_are_only_this_machines(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_llama_stack_of_an_older_file_is_a_provider(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("llama_stack: {url: 'http://127.0.0.1:8321', api_key: hunter2, use_as_library_client: false}\n")
    [made] = config.read(load(path, {})).inference.providers
    assert (made.name, made.type, made.base_url) == ("llama-stack", "openai", "http://127.0.0.1:8321/v1")
    assert made.api_key
    assert made.api_key.reveal() == "hunter2"
    assert (made.read_timeout_seconds, made.total_timeout_seconds) == (180, 180)


@pytest.mark.parametrize(
    ("given", "sent"), [("", None), (" \n", None), ("hunter2", "Bearer hunter2"), (" hunter2\n", "Bearer hunter2")]
)
def test_white_space_around_a_key_is_none_of_it(tmp_path: Path, given: str, sent: str | None) -> None:
    with FakeProvider() as fake:
        client = application(tmp_path, provider(fake.url, api_key=given)).test_client()
        assert client.post("/v1/query", json={"query": "?"}).status_code == 200
        assert {request.headers.get("authorization") for request in fake.asked} == {sent}


def test_an_address_of_the_collector_that_is_none_is_for_the_collector_to_tell(tmp_path: Path) -> None:
    collector = {"enabled": True, "ingress_server_url": "http://[bad"}
    assert faults(tmp_path, {"user_data_collection": {"data_collector": collector}}) == []

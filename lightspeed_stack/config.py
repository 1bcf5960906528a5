"""The stack's configuration as frozen values.

`read` checks the document against config.schema.json, the only place that holds defaults, and the rules that a
schema cannot say. The values are passed down section by section; nothing here is global and nothing is reread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightspeed_stack import rules
from lightspeed_stack.access import Authentication, Authorization
from lightspeed_stack.daemon.config import ConfigError, Document
from lightspeed_stack.daemon.schema import Secret, build, check


@dataclass(frozen=True)
class Tls:
    tls_certificate_path: Path
    tls_key_path: Path
    tls_key_password: Path | None


@dataclass(frozen=True)
class Cors:
    allow_origins: tuple[str, ...]
    allow_credentials: bool
    allow_methods: tuple[str, ...]
    allow_headers: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    host: str
    port: int
    workers: int
    threads: int
    pin_workers: bool
    root_path: str
    base_url: str | None
    allowed_hosts: tuple[str, ...]
    access_log: bool
    color_log: bool
    max_request_bytes: int
    max_attachments: int
    max_attachment_bytes: int
    max_waiting_requests: int
    request_read_timeout_seconds: int
    response_write_timeout_seconds: int
    graceful_timeout_seconds: int
    keep_alive_comment_seconds: int
    tls_config: Tls | None
    cors: Cors


@dataclass(frozen=True)
class UserDataCollection:
    feedback_enabled: bool
    feedback_storage: Path | None
    transcripts_enabled: bool
    transcripts_storage: Path | None
    user_id_hashing: str
    min_free_bytes: int
    sent_to: str | None
    """The host that the collector sends records to, so that users can be told; null when it sends nothing."""
    status_file: Path | None
    """What the collector publishes about its runs."""


@dataclass(frozen=True)
class Sqlite:
    db_path: Path


@dataclass(frozen=True)
class Postgres:
    host: str
    port: int
    db: str
    user: str
    password: Secret | None
    namespace: str
    ssl_mode: str
    gss_encmode: str
    ca_cert_path: Path | None


@dataclass(frozen=True)
class Database:
    sqlite: Sqlite | None
    postgres: Postgres | None


@dataclass(frozen=True)
class Customization:
    disable_query_system_prompt: bool
    system_prompt_path: Path | None
    system_prompt: str | None


@dataclass(frozen=True)
class Provider:
    name: str
    type: str
    base_url: str | None
    api_key: Secret | None
    api_key_file: Path | None
    models: tuple[str, ...]
    connect_timeout_seconds: float
    read_timeout_seconds: float
    total_timeout_seconds: float
    max_answer_bytes: int
    headers: dict[str, Secret]
    ca_bundle: Path | None
    context_window: int | None
    directories: tuple[Path, ...]
    min_score: float | None


@dataclass(frozen=True)
class Inference:
    default_provider: str | None
    default_model: str | None
    providers: tuple[Provider, ...]


@dataclass(frozen=True)
class Filter:
    name: str
    pattern: str
    replace_with: str


@dataclass(frozen=True)
class Redaction:
    builtin: tuple[str, ...]
    filters: tuple[Filter, ...]


@dataclass(frozen=True)
class QueryValidity:
    mode: str
    keywords: tuple[str, ...]
    topic: str | None
    refusal: str
    provider: str | None
    model: str | None


@dataclass(frozen=True)
class Rag:
    enabled: bool
    directories: tuple[Path, ...]
    top_k: int
    min_score: float


@dataclass(frozen=True)
class Config:
    name: str
    state_dir: Path
    runtime_dir: Path | None
    service: Service
    user_data_collection: UserDataCollection
    database: Database
    authentication: Authentication
    authorization: Authorization
    customization: Customization
    inference: Inference
    redaction: Redaction
    query_validity: QueryValidity
    rag: Rag


def read(document: Document) -> Config:
    """The configuration in `document`; raises `ConfigError` with a fault for each key that is wrong."""
    data = check(document, schema())
    faults = [document.fault(key, message) for key, message in rules.broken(data)]
    if faults:
        raise ConfigError(*faults)
    data["inference"]["providers"] = _providers(data)
    collector = data["user_data_collection"]["data_collector"] or {}
    data["user_data_collection"]["sent_to"] = _destination(collector)
    data["user_data_collection"]["status_file"] = _text(collector.get("status_file"))
    return build(Config, data)


def schema() -> dict[str, Any]:
    """config.schema.json, the reference of every key."""
    text = (resources.files("lightspeed_stack") / "config.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _destination(collector: Mapping[str, Any]) -> str | None:
    """Where the collector sends to, as far as its part says; the collector itself checks that part."""
    url = collector.get("ingress_server_url")
    try:
        return urlsplit(str(url)).hostname if collector.get("enabled") is True and url else None
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _providers(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The configured providers, one more for an older file's llama_stack, or else the embedded one."""
    providers = list(data["inference"]["providers"])
    older = data["llama_stack"]
    if older:
        given = {"base_url": _api(older["url"]), "api_key": older["api_key"]}
        given |= dict.fromkeys(("read_timeout_seconds", "total_timeout_seconds"), older["timeout"])
        providers.append(_provider("llama-stack", "openai") | given)
    for provider in providers:
        provider["api_key"] = (provider["api_key"] or "").strip() or None
    return providers or [_provider("embedded", "embedded")]


def _api(url: str) -> str:
    """Where a Llama Stack server offers chat completions; a URL with a path is taken as it is."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + "/v1"


def _provider(name: str, kind: str) -> dict[str, Any]:
    keys = schema()["properties"]["inference"]["properties"]["providers"]["items"]["properties"]
    return {key: rule.get("default") for key, rule in keys.items()} | {"name": name, "type": kind}

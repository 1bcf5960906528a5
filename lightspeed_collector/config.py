"""The collector's configuration as frozen values: the part `user_data_collection` of the file, nothing else of it.

config.schema.json is the only place that holds defaults; `read` adds the rules that a schema cannot say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightspeed_collector import names
from lightspeed_stack.daemon.config import ConfigError, Document, KeyPath
from lightspeed_stack.daemon.schema import Secret, build, check

PART = "user_data_collection"
OLDER_TIMEOUT = "connection_timeout"
_TOKEN_SOURCES = ("ingress_server_auth_token", "ingress_server_auth_token_file", "oauth2")


@dataclass(frozen=True)
class OAuth2:
    token_url: str
    client_id: str
    client_secret_file: Path
    scope: str | None


@dataclass(frozen=True)
class Collector:
    enabled: bool
    ingress_server_url: str | None
    ingress_server_auth_token: Secret | None
    ingress_server_auth_token_file: Path | None
    oauth2: OAuth2 | None
    ingress_content_service_name: str | None
    user_agent: str | None
    collection_interval: int
    cleanup_after_send: bool
    connection_timeout_seconds: float
    upload_deadline_seconds: float
    retry_wait_seconds: float
    ca_bundle: Path | None
    client_cert: Path | None
    client_key: Path | None
    state_dir: Path
    max_archive_bytes: int
    compression: int
    max_spool_bytes: int | None
    max_record_age: int | None
    history_days: int
    metrics_textfile: Path | None
    status_file: Path | None


@dataclass(frozen=True)
class Config:
    feedback_storage: Path | None
    transcripts_storage: Path | None
    data_collector: Collector

    @property
    def folders(self) -> dict[str, Path]:
        """The storage folders that are named, by storage."""
        named = {names.FEEDBACK: self.feedback_storage, names.TRANSCRIPTS: self.transcripts_storage}
        return {storage: path for storage, path in named.items() if path is not None}


def read(document: Document) -> Config:
    """The configuration in `document`; raises `ConfigError` with a fault for each key that is wrong."""
    data = check(document, schema(), at=(PART,))
    data["data_collector"] = data["data_collector"] or _defaults()
    faults = [document.fault((PART, *key), message) for key, message in _broken(data, _given(document))]
    if faults:
        raise ConfigError(*faults)
    collector = data["data_collector"]
    if collector[OLDER_TIMEOUT] is not None:
        collector["connection_timeout_seconds"] = collector[OLDER_TIMEOUT]
    return build(Config, data)


def schema() -> dict[str, Any]:
    """config.schema.json, the reference of every key."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("config.schema.json").read_bytes())
    return loaded


def _defaults() -> dict[str, Any]:
    filled: dict[str, Any] = check(Document(Path(), {}, {}), schema())["data_collector"]
    return filled


def _given(document: Document) -> Mapping[str, Any]:
    """The keys of data_collector as the files give them."""
    part = document.data.get(PART) or {}
    return part.get("data_collector") or {}


def _broken(data: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    if _same(data["feedback_storage"], data["transcripts_storage"]):
        yield ("transcripts_storage",), "must be another folder than feedback_storage"
    for rule in (_required, _urls, _contradictions):
        for key, message in rule(data["data_collector"], given):
            yield ("data_collector", *key), message


def _required(collector: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    if collector["enabled"] and collector["ingress_server_url"] is None:
        yield ("ingress_server_url",), "is required when the collector is enabled"
    if collector["enabled"] and "ingress_content_service_name" not in given:
        yield ("ingress_content_service_name",), "is required when the collector is enabled (it may be null)"
    if collector["client_key"] and not collector["client_cert"]:
        yield ("client_key",), "needs client_cert"


def _urls(collector: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    if fault := _url_fault(collector["ingress_server_url"]):
        yield ("ingress_server_url",), fault
    if collector["oauth2"] and (fault := _url_fault(collector["oauth2"]["token_url"])):
        yield ("oauth2", "token_url"), fault


def _contradictions(collector: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    if given.get(OLDER_TIMEOUT) is not None and "connection_timeout_seconds" in given:
        yield (OLDER_TIMEOUT,), "is the older name of connection_timeout_seconds: give one of them"
    sources = [key for key in _TOKEN_SOURCES if collector[key] is not None]
    if len(sources) > 1:
        yield (sources[1],), f"{sources[0]} is given too: only one of them can be used"


def _url_fault(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        return "expected an http or https URL"
    return "must not hold a user name or a password" if "@" in parts.netloc else None


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and Path(one).resolve() == Path(other).resolve()

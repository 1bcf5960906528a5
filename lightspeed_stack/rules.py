"""What a JSON Schema can't say about the configuration: keys that need or exclude each other.

Pure: takes the checked mapping, yields the key path and the fault. Upstream's words are kept where it has some.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

Broken = Iterator[tuple[tuple[str | int, ...], str]]
_HEADER = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NEEDS = {
    "api-key-token": (
        "api_key_config",
        "API Key configuration section must be specified when using API Key token authentication",
    ),
    "jwk-token": ("jwk_config", "JWK configuration must be specified when using JWK token authentication"),
    "rh-identity": (
        "rh_identity_config",
        "RH Identity configuration must be specified when using RH Identity authentication",
    ),
    "trusted-proxy": (
        "trusted_proxy_config",
        "Trusted proxy configuration must be specified when using trusted-proxy authentication",
    ),
}


def broken(data: Mapping[str, Any]) -> Broken:
    """Every rule that `data` breaks."""
    yield from _urls(data)
    yield from _storages(data["user_data_collection"])
    yield from _database(data["database"])
    yield from _authentication(data["authentication"], data["service"]["host"])
    yield from _access(data["authorization"]["access_rules"])
    yield from _cors(data["service"]["cors"])
    yield from _inference(data["inference"], data["llama_stack"])
    yield from _validity(data["query_validity"], _names(data["inference"], data["llama_stack"]))
    yield from _redaction(data["redaction"]["filters"])


def _urls(data: Mapping[str, Any]) -> Broken:
    named: tuple[tuple[str | int, ...], ...] = (
        ("service", "base_url"),
        ("llama_stack", "url"),
        ("authentication", "jwk_config", "url"),
        *(("inference", "providers", number, "base_url") for number in range(len(data["inference"]["providers"]))),
    )
    for key in named:
        if not _is_url(_at(data, key) or ""):
            yield key, "is not a URL"


def _at(data: Any, key: tuple[str | int, ...]) -> Any:
    for part in key:
        data = data[part] if data else None
    return data


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).port != 0
    except ValueError:
        return False


def _storages(part: Mapping[str, Any]) -> Broken:
    for kind in ("feedback", "transcripts"):
        if part[f"{kind}_enabled"] and not part[f"{kind}_storage"]:
            yield (
                ("user_data_collection", f"{kind}_storage"),
                f"{kind}_storage is required when {kind} is enabled",
            )


def _database(part: Mapping[str, Any]) -> Broken:
    if part["sqlite"] and part["postgres"]:
        yield ("database",), "Only one database configuration can be provided"


def _authentication(part: Mapping[str, Any], host: str) -> Broken:
    module = part["module"]
    section, message = _NEEDS.get(module, (None, ""))
    if section and not part[section]:
        yield ("authentication", section), message
    if module == "api-key-token" and part["api_key_config"]:
        keys = part["api_key_config"]
        if not keys["api_key"] and not keys["keys"]:
            yield ("authentication", "api_key_config", "keys"), "needs at least one key"
    if fault := anyone_may_ask(module, host, allow_insecure=part["allow_insecure"]):
        yield ("authentication", "module"), fault


def anyone_may_ask(module: str, host: str, *, allow_insecure: bool) -> str | None:
    """What is wrong with `module` for those who reach `host`, unless nothing is."""
    if allow_insecure or not module.startswith("noop") or is_loopback(host):
        return None
    remedy = "choose another module, listen on 127.0.0.1, or set authentication.allow_insecure: true"
    return f"{module} would let anyone who reaches {host} ask; {remedy}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _access(part: list[Mapping[str, Any]]) -> Broken:
    for number, rule in enumerate(part):
        if "admin" in rule["actions"] and len(rule["actions"]) > 1:
            yield (
                ("authorization", "access_rules", number, "actions"),
                "admin is everything and must stand alone",
            )


def _cors(part: Mapping[str, Any]) -> Broken:
    if part["allow_credentials"] and "*" in part["allow_origins"]:
        yield ("service", "cors", "allow_credentials"), "is not possible while allow_origins has *"


def _inference(part: Mapping[str, Any], older: Mapping[str, Any] | None) -> Broken:
    at = ("inference", "providers")
    names = _names(part, older)
    for number, provider in enumerate(part["providers"]):
        if names.index(provider["name"]) != number:
            yield (*at, number, "name"), f"{provider['name']} stands twice"
        if provider["type"] == "openai" and not provider["base_url"]:
            yield (*at, number, "base_url"), "is required for a provider of type openai"
        if (provider["api_key"] or "").strip() and provider["api_key_file"]:
            yield (*at, number, "api_key_file"), "only one of api_key and api_key_file can be given"
        yield from _key((*at, number, "api_key"), provider["api_key"])
    if older:
        yield from _key(("llama_stack", "api_key"), older["api_key"])
    if part["default_provider"] and not part["default_model"]:
        yield ("inference", "default_model"), "Default model must be specified when default provider is set"
    if part["default_model"] and not part["default_provider"]:
        yield ("inference", "default_provider"), "Default provider must be specified when default model is set"
    if part["default_provider"] and part["default_provider"] not in names:
        yield ("inference", "default_provider"), "is none of inference.providers"


def _key(at: tuple[str | int, ...], text: str | None) -> Broken:
    """White space around it is taken away; what is left goes into a header."""
    if not _HEADER.fullmatch((text or "").strip()):
        yield at, "has characters that a header can't have"


def _names(part: Mapping[str, Any], older: Mapping[str, Any] | None) -> list[str]:
    """Those of the providers."""
    return [provider["name"] for provider in part["providers"]] + (["llama-stack"] if older else []) or ["embedded"]


def _validity(part: Mapping[str, Any], providers: list[str]) -> Broken:
    if part["mode"] == "keywords" and not part["keywords"]:
        yield ("query_validity", "keywords"), "is required when query_validity.mode is keywords"
    if part["mode"] == "provider" and not part["topic"]:
        yield ("query_validity", "topic"), "is required when query_validity.mode is provider"
    if part["provider"] and part["provider"] not in providers:
        yield ("query_validity", "provider"), "is none of inference.providers"


def _redaction(filters: list[Mapping[str, Any]]) -> Broken:
    names = [entry["name"] for entry in filters]
    for number, name in enumerate(names):
        if names.index(name) != number:
            yield ("redaction", "filters", number, "name"), f"{name} stands twice"

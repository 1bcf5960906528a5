import dataclasses
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lightspeed_stack import config
from lightspeed_stack.daemon.config import ConfigError, load

SPECIFICATION = """
user_data_collection:
  feedback_enabled: true
  feedback_storage: "/tmp/data/feedback"
  transcripts_enabled: true
  transcripts_storage: "/tmp/data/transcripts"
  data_collector:
    enabled: false
    ingress_server_url: "https://example.ingress.com/upload"
    ingress_server_auth_token: xxyyzz
    ingress_content_service_name: null
    collection_interval: 7200
    cleanup_after_send: true
    connection_timeout_seconds: 30
"""


def read(tmp_path: Path, text: str) -> config.Config:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return config.read(load(path, {}))


def keys(schema: dict[str, Any], at: tuple[str, ...] = ()) -> Any:
    """Every key path of the schema with its rule."""
    for key, rule in schema.get("properties", {}).items():
        yield (*at, key), rule
        yield from keys(rule, (*at, key))


def test_the_schema_is_one(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(config.schema())


def test_every_key_has_a_sentence_and_a_default_or_is_required() -> None:
    for path, rule in keys(config.schema()):
        assert rule["description"].endswith("."), path
        parent = config.schema()
        for part in path[:-1]:
            parent = parent["properties"][part]
        assert "default" in rule or path[-1] in parent["required"], path


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert [provider.type for provider in settings.inference.providers] == ["embedded"]
    assert settings.service.port == 8080


def test_the_specifications_block_loads_unchanged(tmp_path: Path) -> None:
    part = read(tmp_path, SPECIFICATION).user_data_collection
    assert part.feedback_enabled
    assert part.transcripts_enabled
    assert part.feedback_storage == Path("/tmp/data/feedback")
    assert part.transcripts_storage == Path("/tmp/data/transcripts")


def test_values_are_frozen(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.service.port = 1  # type: ignore[misc]  # that it can't be is the point


def wrong(rule: dict[str, Any]) -> Any:
    """A value of a type that `rule` does not take."""
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return next(
        value
        for kind, value in {"object": {}, "array": [], "string": "x", "integer": 1, "boolean": True}.items()
        if kind not in kinds
        and not (kind == "integer" and "number" in kinds)
        and not (kind == "object" and "null" in kinds)
    )


@pytest.mark.parametrize("path", [path for path, rule in keys(config.schema()) if "type" in rule], ids=".".join)
def test_a_wrong_type_names_its_key(tmp_path: Path, path: tuple[str, ...]) -> None:
    rule = dict(keys(config.schema()))[path]
    data: Any = wrong(rule)
    for part in reversed(path):
        data = {part: data}
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, yaml.safe_dump(data))
    assert ".".join(path) in [fault.key for fault in caught.value.faults]


@pytest.mark.parametrize(
    "path", [(), *[path for path, rule in keys(config.schema()) if "properties" in rule]], ids=".".join
)
def test_an_unknown_key_is_named_at_every_depth(tmp_path: Path, path: tuple[str, ...]) -> None:
    data: Any = {"unheard_of": 1}
    for part in reversed(path):
        data = {part: data}
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, yaml.safe_dump(data))
    assert ".".join((*path, "unheard_of")) in [fault.key for fault in caught.value.faults]

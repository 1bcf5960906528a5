import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightspeed_stack.daemon import config, schema
from lightspeed_stack.daemon.config import ConfigError, Document
from lightspeed_stack.daemon.schema import Secret

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["must"],
    "properties": {
        "must": {"type": "string"},
        "number": {"type": "integer", "default": 3, "minimum": 1, "maximum": 9},
        "ratio": {"type": "number", "default": 1},
        "truth": {"type": "boolean", "default": True},
        "secret": {"type": ["string", "null"], "default": None},
        "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "part": {
            "type": ["object", "null"],
            "default": None,
            "additionalProperties": False,
            "properties": {"depth": {"type": "integer", "default": 7}},
        },
        "items": {
            "type": "array",
            "default": [],
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"x": {"type": "integer", "default": 5}},
            },
        },
    },
}


@dataclass(frozen=True)
class Part:
    depth: int


@dataclass(frozen=True)
class Item:
    x: int


@dataclass(frozen=True)
class Whole:
    must: str
    number: int
    ratio: float
    truth: bool
    secret: Secret | None
    kind: str
    part: Part | None
    items: tuple[Item, ...]


def document(tmp_path: Path, data: Any, environ: dict[str, str] | None = None) -> Document:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(data))
    return config.load(path, environ or {})


def faults(tmp_path: Path, data: Any, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        schema.check(document(tmp_path, data, environ), SCHEMA)
    return [f"{fault.key}: {fault.message}" for fault in caught.value.faults]


def test_fills_in_defaults_at_every_depth(tmp_path: Path) -> None:
    filled = schema.check(document(tmp_path, {"must": "m", "part": {}, "items": [{}, {"x": 1}]}), SCHEMA)
    whole = schema.build(Whole, filled)
    assert whole == Whole("m", 3, 1.0, True, None, "a", Part(7), (Item(5), Item(1)))
    assert isinstance(whole.ratio, float)


def test_reads_a_part_of_the_document(tmp_path: Path) -> None:
    nested = document(tmp_path, {"a": {"b": {"must": "m", "nmber": 1}}})
    with pytest.raises(ConfigError) as caught:
        schema.check(nested, SCHEMA, at=("a", "b"))
    assert caught.value.faults[0].key == "a.b.nmber"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "must: is required"),
        ({"must": 1}, "must: expected string, found integer"),
        ({"must": None}, "must: expected string, found null"),
        ({"must": "m", "number": True}, "number: expected integer, found boolean"),
        ({"must": "m", "number": 0}, "number: must be at least 1"),
        ({"must": "m", "number": 10}, "number: must be at most 9"),
        ({"must": "m", "truth": "yes"}, "truth: expected boolean, found string"),
        ({"must": "m", "kind": "c"}, "kind: expected one of a, b"),
        ({"must": "m", "nubmer": 1}, "nubmer: unknown key; did you mean number?"),
        ({"must": "m", "zzz": 1}, "zzz: unknown key"),
        ({"must": "m", "part": {"depht": 1}}, "part.depht: unknown key; did you mean depth?"),
        ({"must": "m", "items": [{"x": 1}, {"x": "a"}]}, "items[1].x: expected integer, found string"),
        ({"must": "m", "items": {}}, "items: expected array, found object"),
        ({"must": datetime.date(2026, 1, 1)}, "must: expected string, found date"),
        ({"must": "m", 1: 2}, "[1]: unknown key"),
    ],
)
def test_names_the_key_and_what_was_expected(tmp_path: Path, data: Any, expected: str) -> None:
    assert faults(tmp_path, data) == [expected]


def test_reports_every_fault(tmp_path: Path) -> None:
    assert len(faults(tmp_path, {"number": "x", "zzz": 1, "truth": 3})) == 4


def test_never_shows_a_value(tmp_path: Path) -> None:
    assert "hunter2" not in str(faults(tmp_path, {"must": "m", "number": "hunter2", "kind": "hunter2"}))


def test_values_from_the_environment_become_what_the_schema_wants(tmp_path: Path) -> None:
    data = {"must": "${env.N}", "number": "${env.N}", "truth": "${env.T}", "secret": "${env.E:=}", "ratio": "${env.F}"}
    environ = {"N": "7", "T": "False", "F": "0.5"}
    whole = schema.build(Whole, schema.check(document(tmp_path, data, environ), SCHEMA))
    assert (whole.must, whole.number, whole.truth, whole.secret, whole.ratio) == ("7", 7, False, None, 0.5)


def test_a_value_from_the_environment_of_the_wrong_kind_is_a_fault(tmp_path: Path) -> None:
    data = {"must": "m", "number": "${env.N}"}
    assert faults(tmp_path, data, {"N": "seven"}) == ["number: expected integer, found string"]


def test_secrets_stay_out_of_every_rendering(tmp_path: Path) -> None:
    whole = schema.build(Whole, schema.check(document(tmp_path, {"must": "m", "secret": "hunter2"}), SCHEMA))
    assert "hunter2" not in f"{whole} {whole!r} {schema.masked(whole)}"
    assert whole.secret
    assert whole.secret.reveal() == "hunter2"
    assert whole.secret == Secret("hunter2") != Secret("other")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:p@ss@host/v1", "https://**********@host/v1"),
        ("https://host/api?code=hunter2", "https://host/api?code=**********"),
        ("https://host?pwd=a=b&c;d=e?f", "https://host?pwd=**********&**********;d=**********?**********"),
        ("https://host/v1?hunter2#hunter2", "https://host/v1?**********#**********"),
        ("see https://h/?a=b and https://h/", "see https://h/?a=********** and https://h/"),
        ("https://host/@v1", "https://host/@v1"),
        (r"(?i)token=\S+", r"(?i)token=\S+"),
    ],
)
def test_secrets_within_a_url_are_masked(url: str, shown: str) -> None:
    assert schema.masked({"urls": [url]}) == {"urls": [shown]}

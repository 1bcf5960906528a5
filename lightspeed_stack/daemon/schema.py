"""Hold a configuration document against a JSON Schema, fill in its defaults, make frozen dataclasses of it.

The schema is the only place for defaults. A valid document costs a compiled check; only a document at fault is
explained, key by key. Faults name the key and what was expected, never the value: it may be a secret.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jsonschema_rs

from lightspeed_stack.daemon.config import ConfigError, Document, Fault, KeyPath
from lightspeed_stack.daemon.env import EnvText

T = TypeVar("T")
Schema = Mapping[str, Any]

_MASK = "*" * 10
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/?#\s]*@")
_AFTER_PATH = re.compile(r"(?<=://)([^?#\s]*)([?#]\S+)")
_PARAMETER = re.compile(r"([?&;#][^?&;#=]*=|[?&;#])[^?&;#]+")


class Secret:
    """Text that no log, dump or traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __str__(self) -> str:
        return _MASK

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def check(document: Document, schema: Schema, *, at: tuple[str, ...] = ()) -> dict[str, Any]:
    """The part of `document` at `at`, valid and with every default filled in; raises `ConfigError`."""
    part: Any = document.data
    for key in at:
        part = part.get(key) if isinstance(part, dict) else None
    part = _retype({} if part is None else part, schema, schema)
    if not _is_valid(part, schema):
        raise ConfigError(*_faults(document, part, schema, at))
    filled: dict[str, Any] = _fill(part, schema, schema)
    return filled


def _is_valid(part: Any, schema: Schema) -> bool:
    try:
        return jsonschema_rs.validator_for(dict(schema)).is_valid(part)
    except ValueError:  # YAML has types that JSON lacks, dates for one
        return False


def build(cls: type[T], data: Mapping[str, Any]) -> T:
    """A frozen dataclass of `cls` from the keys of `data` that bear its fields' names."""
    hints = _hints(typing.cast(Any, cls))
    return cls(**{name: _convert(hints[name], data[name]) for name in hints})


def masked(value: Any) -> Any:
    """`value` (a configuration) as plain lists, mappings and text, every secret masked; so is each that a URL may hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: masked(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: masked(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [masked(part) for part in value]
    if isinstance(value, str):
        return _AFTER_PATH.sub(_without_values, _PASSWORD_IN_URL.sub(f"{_MASK}@", value))
    return str(value) if isinstance(value, Path | Secret) else value


def _without_values(found: re.Match[str]) -> str:
    """Any parameter may be a secret, whatever its name."""
    return found[1] + _PARAMETER.sub(rf"\g<1>{_MASK}", found[2])


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(cls)}
    return {name: hint for name, hint in typing.get_type_hints(cls).items() if name in names}


def _convert(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        present = next(arm for arm in typing.get_args(hint) if arm is not type(None))
        return None if value is None else _convert(present, value)
    if origin is tuple:
        return tuple(_convert(typing.get_args(hint)[0], item) for item in value)
    if origin is dict:
        return {key: _convert(typing.get_args(hint)[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value)
    return hint(value) if hint in (Path, Secret, float) else value


def _resolve(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    return root["$defs"][reference.removeprefix("#/$defs/")] if reference else schema


def _types(schema: Schema) -> tuple[str, ...]:
    named = schema.get("type", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _retype(value: Any, schema: Schema, root: Schema) -> Any:
    """Read values that came from the environment as what the schema wants there."""
    schema = _resolve(schema, root)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        rest = schema.get("additionalProperties", {})
        rest = rest if isinstance(rest, dict) else {}
        return {key: _retype(part, known.get(key, rest), root) for key, part in value.items()}
    if isinstance(value, list):
        return [_retype(part, schema.get("items", {}), root) for part in value]
    if isinstance(value, EnvText):
        return _read_as(value, _types(schema))
    return value


def _read_as(text: EnvText, wanted: tuple[str, ...]) -> Any:
    if text == "" and "null" in wanted:
        return None
    if "string" in wanted or not wanted:
        return str(text)
    if "boolean" in wanted and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind, read in (("integer", int), ("number", float)):
        if kind in wanted:
            try:
                return read(text)
            except ValueError:
                continue
    return str(text)


def _fill(value: Any, schema: Schema, root: Schema) -> Any:
    schema = _resolve(schema, root)
    if isinstance(value, list):
        return [_fill(item, schema.get("items", {}), root) for item in value]
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for key, sub in schema.get("properties", {}).items():
        default = _resolve(sub, root).get("default") if "default" not in sub else sub["default"]
        filled[key] = _fill(value.get(key, default), sub, root)
    return filled


def _faults(document: Document, part: Any, schema: Schema, at: tuple[str, ...]) -> Iterator[Fault]:
    import jsonschema  # here, since only a faulty file needs it and it is slow to load

    for error in sorted(
        jsonschema.Draft202012Validator(dict(schema)).iter_errors(part), key=lambda e: list(map(str, e.absolute_path))
    ):
        key: KeyPath = (*at, *error.absolute_path)
        yield from _explain(document, key, error)


def _explain(document: Document, key: KeyPath, error: Any) -> Iterator[Fault]:
    if error.validator == "additionalProperties":
        import difflib

        known = list(error.schema.get("properties", {}))
        for name in sorted(set(error.instance) - set(known), key=str):
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield document.fault((*key, name), f"unknown key{hint}")
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield document.fault((*key, name), "is required")
    else:
        yield document.fault(key, _expectation(error))


def _expectation(error: Any) -> str:
    rule, limit = error.validator, error.validator_value
    described = error.schema.get("x-expected")
    if described:
        return f"expected {described}"
    if rule == "type":
        wanted = (limit,) if isinstance(limit, str) else limit
        return f"expected {' or '.join(wanted)}, found {_kind(error.instance)}"
    words: dict[str, Callable[[], str]] = {
        "enum": lambda: "expected one of " + ", ".join(map(str, limit)),
        "minimum": lambda: f"must be at least {limit}",
        "exclusiveMinimum": lambda: f"must be greater than {limit}",
        "maximum": lambda: f"must be at most {limit}",
        "minLength": lambda: "must not be empty",
        "minItems": lambda: f"needs at least {limit}",
        "pattern": lambda: f"must match {limit}",
        "uniqueItems": lambda: "has an item twice",
    }
    return words.get(rule, lambda: f"does not meet the rule {rule!r}")()


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return (
        "null"
        if value is None
        else next((name for cls, name in names.items() if isinstance(value, cls)), type(value).__name__)
    )

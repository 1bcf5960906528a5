"""Say what is wrong with a value that a schema of openapi.yaml refused, in upstream's words (pydantic's items).

Fields in the order in which the schema declares them, unknown ones after them, rules about the whole object last and
only when its fields are right. What `x-checked-later` marks is not looked at here. A value is walked only as far as
its faults are asked for, and repeated only in excerpts: what is told stays small however much is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import jsonschema_rs

from lightspeed_stack import excerpt

Schema = Mapping[str, Any]
Item = dict[str, Any]
Loc = tuple[str | int, ...]

_KINDS: Mapping[str, type | tuple[type, ...]] = {"string": str, "array": list, "object": dict, "boolean": bool}


def item(kind: str, loc: Loc, message: str, value: object, **ctx: object) -> Item:
    where = [excerpt.of_text(part, excerpt.NAME_CHARACTERS) if isinstance(part, str) else part for part in loc]
    made: Item = {"type": kind, "loc": where, "msg": message, "input": excerpt.of(value)}
    return made | {"ctx": ctx} if ctx else made


def missing(loc: Loc, value: object) -> Item:
    return item("missing", loc, "Field required", value)


def not_an_object(loc: Loc, value: object) -> Item:
    message = "Input should be a valid dictionary or object to extract fields from"
    return item("model_attributes_type", loc, message, value)


def extra_forbidden(loc: Loc, value: object) -> Item:
    return item("extra_forbidden", loc, "Extra inputs are not permitted", value)


class Explainer:
    """Walks a value beside its schema; `components` is where references lead."""

    def __init__(self, components: Mapping[str, Any]) -> None:
        self._components = components
        self._compiled: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def explain(self, schema: Schema, value: object, loc: Loc) -> Iterator[Item]:
        schema = self._resolve(schema)
        kinds = _kinds(schema)
        if value is None and "null" in kinds:
            return
        if not _is_a(kinds[0], value):
            yield _wrong_kind(schema, kinds[0], value, loc)
        elif "x-error" in schema and not self._holds(schema, value):
            yield _value_error(schema, value, loc)
        elif isinstance(value, dict):
            yield from self._object(schema, value, loc)
        elif isinstance(value, list):
            for index, part in enumerate(value):
                yield from self.explain(schema.get("items", {}), part, (*loc, index))
        else:
            yield from _scalar(schema, value, loc)

    def _object(self, schema: Schema, value: dict[str, Any], loc: Loc) -> Iterator[Item]:
        is_right = True
        for fault in chain(self._fields(schema, value, loc), _extras(schema, value, loc)):
            is_right = False
            yield fault
        if is_right:
            yield from self._rules(schema, value, loc)

    def _fields(self, schema: Schema, value: dict[str, Any], loc: Loc) -> Iterator[Item]:
        for name, field in schema.get("properties", {}).items():
            if name in value:
                yield from self.explain(field, value[name], (*loc, name))
            elif name in schema.get("required", ()):
                yield missing((*loc, name), value)

    def _rules(self, schema: Schema, value: dict[str, Any], loc: Loc) -> Iterator[Item]:
        broken = (rule for rule in schema.get("allOf", ()) if "x-error" in rule and not self._holds(rule, value))
        for rule in broken:
            yield _value_error(rule, value, loc)
            return

    def _holds(self, schema: Schema, value: object) -> bool:
        validator = self._compiled.get(schema["x-error"])
        if validator is None:
            validator = jsonschema_rs.Draft202012Validator({**schema, "components": self._components})
            self._compiled[schema["x-error"]] = validator
        return validator.is_valid(value)

    def _resolve(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        if reference is None:
            return schema
        named = self._components["schemas"][reference.removeprefix("#/components/schemas/")]
        return {**named, **{key: part for key, part in schema.items() if key != "$ref"}}


def _kinds(schema: Schema) -> list[str]:
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def _is_a(kind: str, value: object) -> bool:
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
    return isinstance(value, _KINDS[kind])


def _wrong_kind(schema: Schema, kind: str, value: object, loc: Loc) -> Item:
    if kind == "object" and "properties" in schema:
        return not_an_object(loc, value)
    error, message = _COMPLAINTS[kind]
    if kind == "integer" and isinstance(value, float):
        error, message = "int_from_float", f"{message}, got a number with a fractional part"
    if kind == "integer" and isinstance(value, str):
        error, message = "int_parsing", f"{message}, unable to parse string as an integer"
    if kind == "boolean" and isinstance(value, str | int | float):
        error, message = "bool_parsing", f"{message}, unable to interpret input"
    return item(error, loc, message, value)


_COMPLAINTS = {
    "string": ("string_type", "Input should be a valid string"),
    "integer": ("int_type", "Input should be a valid integer"),
    "boolean": ("bool_type", "Input should be a valid boolean"),
    "array": ("list_type", "Input should be a valid list"),
    "object": ("dict_type", "Input should be a valid dictionary"),
}


def _value_error(schema: Schema, value: object, loc: Loc) -> Item:
    words = schema["x-error"].replace("{}", excerpt.of_text(str(value)))
    return item("value_error", loc, f"Value error, {words}", value, error={})


def _extras(schema: Schema, value: dict[str, Any], loc: Loc) -> Iterator[Item]:
    if schema.get("additionalProperties") is False:
        known = schema["properties"]
        yield from (extra_forbidden((*loc, name), part) for name, part in value.items() if name not in known)


def _scalar(schema: Schema, value: object, loc: Loc) -> Iterator[Item]:
    if "enum" in schema and value not in schema["enum"] and not schema.get("x-checked-later"):
        expected = _either(schema["enum"])
        yield item("enum", loc, f"Input should be {expected}", value, expected=expected)
    if isinstance(value, str):
        low, high = schema.get("minLength", 0), schema.get("maxLength")
        if len(value) < low:
            yield item("string_too_short", loc, f"String should have at least {_count(low)}", value, min_length=low)
        if high is not None and len(value) > high:
            yield item("string_too_long", loc, f"String should have at most {_count(high)}", value, max_length=high)


def _count(characters: int) -> str:
    return f"{characters} character{'' if characters == 1 else 's'}"


def _either(choices: list[str]) -> str:
    quoted = [repr(choice) for choice in choices]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)

"""Find and read the YAML file with its drop-ins.

`conf.d/*.yaml` beside the file is merged over it in the order of the names: mappings key by key, anything else
replaced. Every fault names the file and the key; nothing is ever guessed and no value is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lightspeed_stack.daemon import env

ENVIRONMENT = "LIGHTSPEED_STACK_CONFIG"
PLACES = ("lightspeed-stack.yaml", "/etc/lightspeed-stack/lightspeed-stack.yaml")
DROP_INS = "conf.d"

KeyPath = tuple[str | int, ...]


class Fault(NamedTuple):
    """One thing that is wrong with a configuration file."""

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in self if part)


class ConfigError(Exception):
    """The configuration can't be used; `faults` has one line for each reason."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class Document:
    """What the files say together, and which file said it."""

    def __init__(self, path: Path, data: dict[str, Any], origins: Mapping[KeyPath, Path]) -> None:
        self.path = path
        self.data = data
        self._origins = origins

    def origin(self, key: KeyPath) -> Path:
        """The file that gave `key`, or the nearest key above it."""
        for end in range(len(key), 0, -1):
            if key[:end] in self._origins:
                return self._origins[key[:end]]
        return self.path

    def fault(self, key: KeyPath, message: str) -> Fault:
        return Fault(str(self.origin(key)), dotted(key), message)

    def placed(self, error: ConfigError) -> ConfigError:
        """`error` of a module that knows its keys and not the files, with the file of each fault."""
        return ConfigError(
            *(fault if fault.file else self.fault(undotted(fault.key), fault.message) for fault in error.faults)
        )


def dotted(key: KeyPath) -> str:
    """`("a", "b", 0, "c")` as `a.b[0].c`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def undotted(key: str) -> KeyPath:
    """The inverse of `dotted`."""
    return tuple(int(number) if number else name for name, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key))


def find(named: str | None, environ: Mapping[str, str]) -> Path:
    """The file to read: `named`, $LIGHTSPEED_STACK_CONFIG, or the first of `PLACES` that exists."""
    chosen = named or environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen)
    for place in PLACES:
        if Path(place).exists():
            return Path(place)
    raise ConfigError(Fault("", "", f"no configuration file: name one with --config, or write {PLACES[-1]}"))


def load(path: Path, environ: Mapping[str, str]) -> Document:
    """Read `path` and its drop-ins; raises `ConfigError`."""
    data: dict[str, Any] = {}
    origins: dict[KeyPath, Path] = {}
    for file in (path, *sorted((path.parent / DROP_INS).glob("*.yaml"))):
        _merge(data, _read(file), (), file, origins)
    document = Document(path, data, origins)
    faults: list[Fault] = []
    document.data = _substitute(data, (), environ, document, faults)
    if faults:
        raise ConfigError(*faults)
    return document


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]  # chosen at run time
    """Safe YAML in which a key that stands twice is a fault."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _read(file: Path) -> dict[str, Any]:
    try:
        data = yaml.load(file.read_bytes(), Loader=_Loader)  # noqa: S506 - _Loader is a safe loader
    except OSError as error:
        raise ConfigError(Fault(str(file), "", f"can't be read: {error.strerror}")) from error
    except yaml.YAMLError as error:
        raise ConfigError(Fault(str(file), "", _yaml_problem(error))) from error
    except (UnicodeDecodeError, ValueError) as error:
        raise ConfigError(Fault(str(file), "", f"is not YAML: {error}")) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(Fault(str(file), "", f"expected keys and values, found a {type(data).__name__}"))
    return data


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"is not YAML{where}: {getattr(error, 'problem', None) or 'unreadable'}"


def _merge(base: dict[str, Any], over: dict[str, Any], at: KeyPath, file: Path, origins: dict[KeyPath, Path]) -> None:
    for key, value in over.items():
        origins[(*at, key)] = file
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value, (*at, key), file, origins)
        elif isinstance(value, dict):
            base[key] = {}
            _merge(base[key], value, (*at, key), file, origins)
        else:
            base[key] = value


def _substitute(value: Any, at: KeyPath, environ: Mapping[str, str], document: Document, faults: list[Fault]) -> Any:
    if isinstance(value, dict):
        return {key: _substitute(part, (*at, key), environ, document, faults) for key, part in value.items()}
    if isinstance(value, list):
        return [_substitute(part, (*at, index), environ, document, faults) for index, part in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return env.substitute(value, environ)
    except env.Unset as unset:
        faults.append(document.fault(at, str(unset)))
        return value

"""Which roles the claims of a token give.

A path is a small part of JSONPath: `$.realm_access.roles[*]`, `$['https://example.com/groups']`, `$.groups[0]`. As with
upstream, a rule compares the list of what the path finds; each single thing found is compared as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import re2

from lightspeed_stack.daemon.config import ConfigError, Fault

if TYPE_CHECKING:
    from lightspeed_stack.access import RoleRule

Step = str | int | None  # a key, a number, or None for all of them
_RULES = "authentication.jwk_config.jwt_configuration.role_rules"
_STEP = re.compile(r"""\.?(?:(\*)|([^.\[\]*'"$\s]+))|\[(?:(\*)|(\d{1,6})|'([^']+)'|"([^"]+)")\]""")


class Rules:
    """Raises `ConfigError` when a rule makes no sense."""

    def __init__(self, rules: Sequence[RoleRule]) -> None:
        self._rules = [(rule, _path(number, rule), _pattern(number, rule)) for number, rule in enumerate(rules)]

    def roles(self, claims: Mapping[str, object]) -> frozenset[str]:
        fitting = (rule for rule, path, pattern in self._rules if _holds(rule, list(_find(claims, path)), pattern))
        return frozenset(role for rule in fitting for role in rule.roles)


def _holds(rule: RoleRule, found: list[object], pattern: Any) -> bool:
    return _compare(rule.operator, found, rule.value, pattern) != rule.negate


def _compare(operator: str, found: list[object], value: Any, pattern: Any) -> bool:
    match operator:
        case "equals":
            return found == value or value in found
        case "contains":
            return value in found or any(isinstance(item, list) and value in item for item in found)
        case "in":
            return found in value or any(item in value for item in found)
        case _:
            return any(isinstance(item, str) and pattern.search(_text(item)) for item in found)


def _find(value: object, path: Sequence[Step]) -> Iterator[object]:
    if not path:
        yield value
        return
    for inner in _inner(value, path[0]):
        yield from _find(inner, path[1:])


def _inner(value: object, step: Step) -> Sequence[object]:
    match value, step:
        case dict(), None:
            return list(value.values())
        case list(), None:
            return value
        case dict(), str() if step in value:
            return [value[step]]
        case list(), int() if step < len(value):
            return [value[step]]
    return []


def _path(number: int, rule: RoleRule) -> tuple[Step, ...]:
    text, at = rule.jsonpath.removeprefix("$"), 0
    steps: list[Step] = []
    while at < len(text):
        found = _STEP.match(text, at)
        if not found:
            raise _fault(number, "jsonpath", "expected a path such as $.realm_access.roles[*]")
        star, name, all_, index, *quoted = found.groups()
        steps.append(None if star or all_ else int(index) if index else name or quoted[0] or quoted[1])
        at = found.end()
    return tuple(steps)


def _pattern(number: int, rule: RoleRule) -> Any:
    if rule.operator == "in" and not isinstance(rule.value, list | tuple):
        raise _fault(number, "value", "expected a list for the operator in")
    if rule.operator != "match":
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(str(rule.value), options)
    except re2.error:
        raise _fault(number, "value", "expected a regular expression that RE2 can run") from None


def _text(item: str) -> bytes:
    return item.encode("utf-8", "surrogatepass")


def _fault(number: int, key: str, message: str) -> ConfigError:
    return ConfigError(Fault("", f"{_RULES}[{number}].{key}", message))

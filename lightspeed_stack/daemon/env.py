"""`${env.X}` in configuration values.

`${env.X}` is X's value and a fault when X is unset or empty; `${env.X:=default}` falls back to the default;
`${env.X:+value}` is the value when X is set, else nothing. What was substituted is marked as `EnvText`, so that
the schema can say whether it is a number, a truth value or text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{env\.([A-Z0-9_]+)(?::([=+])([^}]*))?\}")


class EnvText(str):
    """Text that came (in part) from the environment."""


class Unset(Exception):
    """`name` is needed and is unset or empty."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"environment variable {name} is not set or empty"
            f" (use ${{env.{name}:=default}} for a default, ${{env.{name}:+value}} for a value only if it is set)"
        )


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Replace every reference in `text`; raises `Unset`."""

    def value(match: re.Match[str]) -> str:
        name, operator, alternative = match.groups()
        found = environ.get(name, "")
        if operator == "+":
            return str(alternative) if found else ""
        if not found and operator != "=":
            raise Unset(name)
        return found or str(alternative)

    replaced, count = _REFERENCE.subn(value, text)
    return EnvText(replaced) if count else text

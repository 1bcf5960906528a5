"""What every way of telling users apart has in common: the user, the interface, the bearer token, what an id may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeGuard

from lightspeed_stack import errors

DEFAULT_ID = "00000000-0000-0000-0000-000"
DEFAULT_NAME = "lightspeed-user"
EVERYONE = "*"
MAX_ID_LENGTH = 256
MAX_TOKEN_LENGTH = 16384


@dataclass(frozen=True)
class User:
    """`skip_userid_check` is told to clients by /authorized and grants nothing."""

    id: str
    name: str
    token: str = field(default="", repr=False)
    skip_userid_check: bool = False
    roles: frozenset[str] = frozenset()


class Lookup(Protocol):
    """Headers (their names have no case) or arguments of the URL."""

    def get(self, name: str, /) -> str | None: ...


class Authenticator(Protocol):
    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        """`remote` is the peer's address, empty or None for a Unix socket; raises errors.Error."""


def bearer_token(headers: Lookup) -> str:
    header = headers.get("Authorization")
    if not header:
        raise errors.NotAuthenticated("No Authorization header found")
    parts = header.split()
    if len(parts) != 2 or parts[0].lower() != "bearer":
        raise errors.NotAuthenticated("No token found in Authorization header")
    return parts[1]


def is_identifier(value: object) -> TypeGuard[str]:
    """Whether `value` can name a user in a database, a record and a log line."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID_LENGTH
        and not value.isspace()
        and not any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) < 0xE000 for letter in value)
    )

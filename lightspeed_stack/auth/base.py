"""What every way of telling users apart has in common: the user, the interface, the bearer token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from lightspeed_stack import errors

DEFAULT_ID = "00000000-0000-0000-0000-000"
DEFAULT_NAME = "lightspeed-user"
EVERYONE = "*"


@dataclass(frozen=True)
class User:
    """`skip_userid_check` is told to clients by /authorized and grants nothing; everybody has the role `*`."""

    id: str
    name: str
    token: str = field(default="", repr=False)
    skip_userid_check: bool = False
    roles: frozenset[str] = frozenset({EVERYONE})


class Lookup(Protocol):
    """Headers (whose names have no case) or arguments of the URL."""

    def get(self, name: str, /) -> str | None: ...


class Authenticator(Protocol):
    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        """`remote` is the peer's address, empty or None for a Unix socket. Raises the errors of lightspeed_stack.errors."""


def bearer_token(headers: Lookup) -> str:
    header = headers.get("Authorization")
    if not header:
        raise errors.NotAuthenticated("No Authorization header found")
    parts = header.split()
    if len(parts) != 2 or parts[0].lower() != "bearer":
        raise errors.NotAuthenticated("No token found in Authorization header")
    return parts[1]

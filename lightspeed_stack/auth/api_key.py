"""API keys: each stands for one user, and only its SHA-256 is kept. `command` makes one.

A key is 256 random bits, so a plain hash is enough: there is nothing to guess, and nothing to slow down.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sys
from typing import TYPE_CHECKING, TextIO

from lightspeed_stack import errors
from lightspeed_stack.auth.base import DEFAULT_ID, DEFAULT_NAME, Lookup, User, bearer_token, is_identifier
from lightspeed_stack.daemon import exits

if TYPE_CHECKING:
    from lightspeed_stack.access import ApiKeyConfig

PREFIX = "lsk_"
_GIVEN = """\
{key}

Give this key to {user}: it is shown only now and kept nowhere. Let it in with these lines of the configuration:

authentication:
  module: api-key-token
  api_key_config:
    keys:
      - user_id: {quoted}
        sha256: {digest}
"""


class ApiKeys:
    def __init__(self, config: ApiKeyConfig) -> None:
        self._users = [(bytes.fromhex(key.sha256.reveal()), key.user_id, key.user_id) for key in config.keys]
        if config.api_key:
            self._users.append((_digest(config.api_key.reveal().encode()), DEFAULT_ID, DEFAULT_NAME))

    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        token = bearer_token(headers)
        digest = _digest(token.encode("latin-1", "backslashreplace"))
        # all are compared, whichever fits: the time taken tells nothing
        fitting = [(user_id, name) for known, user_id, name in self._users if hmac.compare_digest(known, digest)]
        if not fitting:
            raise errors.Plain(401, "Invalid API Key")
        return User(*fitting[0], token, skip_userid_check=True)


def command(user: str, stdout: TextIO) -> int:
    """Print a new key for `user` on the first line, and after it what to add to the configuration."""
    if not is_identifier(user):
        print("lightspeed-stack: a user has 1 to 256 characters, none of them a control character", file=sys.stderr)  # noqa: T201 - a command's own output
        return exits.USAGE
    key = PREFIX + secrets.token_urlsafe(32)
    digest = _digest(key.encode()).hex()
    stdout.write(_GIVEN.format(key=key, user=user, quoted=json.dumps(user, ensure_ascii=False), digest=digest))
    return exits.OK


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()

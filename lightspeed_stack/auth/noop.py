"""No authentication: the caller is whoever `?user_id=` says, or the one default user.

Meant for a laptop, and for a service that only its own host can reach. NoopWithToken wants a token and does not verify it.
"""

from __future__ import annotations

from lightspeed_stack import errors
from lightspeed_stack.auth.base import DEFAULT_ID, DEFAULT_NAME, Lookup, User, bearer_token, is_identifier


class Noop:
    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        return User(_user_id(args), DEFAULT_NAME, skip_userid_check=True)


class NoopWithToken:
    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        token = bearer_token(headers)
        return User(_user_id(args), DEFAULT_NAME, token, skip_userid_check=True)


def _user_id(args: Lookup) -> str:
    user_id = args.get("user_id")
    if user_id is None:
        return DEFAULT_ID
    if user_id == "":
        raise errors.Plain(400, "user_id cannot be empty")
    if not is_identifier(user_id):
        raise errors.Plain(400, "user_id must be at most 256 characters, none of them a control character")
    return user_id

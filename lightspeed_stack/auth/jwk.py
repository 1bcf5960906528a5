"""Signed tokens (JSON Web Tokens) verified with the keys of a JSON Web Key Set.

Only the key decides which algorithm is right, never the token: no `none`, no shared secrets. Audience and issuer are not
looked at, as with upstream: the key server must be one that signs for this service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jwt

from lightspeed_stack import errors
from lightspeed_stack.auth.base import MAX_TOKEN_LENGTH, Lookup, User, bearer_token, is_identifier
from lightspeed_stack.auth.jwks import KeyServer, Unavailable
from lightspeed_stack.auth.roles import Rules

if TYPE_CHECKING:
    from jwt.types import Options

    from lightspeed_stack.access import JwkConfig

_UNKNOWN_KEY = "Token signed by unknown key"
_OPTIONS: Options = {
    "verify_aud": False,
    "verify_iss": False,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
    "enforce_minimum_key_length": True,
}
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "Token has expired"),
    (jwt.InvalidSignatureError, "Invalid token signature"),
    (jwt.ImmatureSignatureError, "Token validation failed"),
    (jwt.InvalidAlgorithmError, _UNKNOWN_KEY),
    (jwt.InvalidKeyError, _UNKNOWN_KEY),
    (jwt.DecodeError, "Token could not be decoded"),
    (jwt.InvalidTokenError, "Token format error"),
)


class JwkTokens:
    def __init__(self, config: JwkConfig) -> None:
        self._claims = config.jwt_configuration
        self._rules = Rules(self._claims.role_rules)
        self._server = KeyServer(config.url, config.ca_bundle, config.fetch_timeout_seconds)

    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        token = bearer_token(headers)
        claims = self._verified(token)
        user_id = _claim(claims, self._claims.user_id_claim)
        name = _claim(claims, self._claims.username_claim)
        return User(user_id, name, token, roles=self._rules.roles(claims))

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_LENGTH:
            raise errors.NotAuthenticated("Token could not be decoded")
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            key = self._server.find(header.get("kid"), algorithm)
            if key is None:
                raise errors.NotAuthenticated(_UNKNOWN_KEY)
            return jwt.decode(token, key.key, algorithms=[algorithm], options=_OPTIONS)
        except Unavailable as error:
            raise errors.NotAuthenticated(str(error)) from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise errors.NotAuthenticated(_cause(error)) from None


def _cause(error: Exception) -> str:
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), "Unknown token error")


def _claim(claims: Mapping[str, Any], name: str) -> str:
    if name not in claims:
        raise errors.NotAuthenticated(f"Token missing claim: {name}")
    value = claims[name]
    if not is_identifier(value):
        raise errors.NotAuthenticated(f"Token has invalid claim: {name}")
    return value

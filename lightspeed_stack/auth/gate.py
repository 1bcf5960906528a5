"""Choose the module that tells users apart, and hold what users may do against the access rules.

Everybody has the role `*` and the role `user:<id>`; a token's claims may give more. With no access rules everybody may do
everything; that a conversation belongs to its user holds all the same, and elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.auth.base import EVERYONE, Authenticator, Lookup, User
from lightspeed_stack.auth.noop import Noop, NoopWithToken
from lightspeed_stack.daemon.config import ConfigError, Fault

if TYPE_CHECKING:
    from lightspeed_stack.access import AccessRule, Authentication, Authorization

ADMIN = "admin"


class Gate:
    def __init__(self, authenticator: Authenticator, rules: tuple[AccessRule, ...]) -> None:
        self._authenticator = authenticator
        self._rules = rules

    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        return self._authenticator.authenticate(headers, args, remote)

    def authorize(self, user: User, action: str) -> None:
        """Raises `errors.Forbidden` unless the user may do it."""
        if not self.allows(user, action):
            raise _forbidden(user, action)

    def allows(self, user: User, action: str) -> bool:
        if not self._rules:
            return True
        roles = {EVERYONE, f"user:{user.id}", *user.roles}
        granted = {name for rule in self._rules if rule.role in roles for name in rule.actions}
        return action in granted or ADMIN in granted


def create(authentication: Authentication, authorization: Authorization) -> Gate:
    """Raises `ConfigError` for what no schema can say; opens nothing and asks nobody."""
    return Gate(_authenticator(authentication), authorization.access_rules)


def _authenticator(authentication: Authentication) -> Authenticator:
    match authentication.module:
        case "noop":
            return Noop()
        case "noop-with-token":
            return NoopWithToken()
        case "api-key-token" if authentication.api_key_config:
            from lightspeed_stack.auth.api_key import ApiKeys

            return ApiKeys(authentication.api_key_config)
        case "jwk-token" if authentication.jwk_config:
            from lightspeed_stack.auth.jwk import JwkTokens  # here: it loads cryptography and requests

            return JwkTokens(authentication.jwk_config)
        case "rh-identity" if authentication.rh_identity_config:
            from lightspeed_stack.auth.rh_identity import RhIdentity

            return RhIdentity(authentication.rh_identity_config)
        case "trusted-proxy" if authentication.trusted_proxy_config:
            from lightspeed_stack.auth.trusted_proxy import TrustedProxy

            return TrustedProxy(authentication.trusted_proxy_config)
    fault = Fault("", "authentication.module", f"{authentication.module} has no configuration")
    raise ConfigError(fault)


def _forbidden(user: User, action: str) -> errors.Forbidden:
    if action == "model_override":
        return errors.Forbidden(
            "User lacks model_override permission required to override model/provider.",
            response="This instance does not permit overriding model/provider in the query request (missing permission: "
            "model_override). Please remove the model and provider fields from your request.",
        )
    return errors.Forbidden(f"User {user.id} is not authorized to access this endpoint.")

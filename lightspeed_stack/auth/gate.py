"""Choose the module that tells users apart, and hold what users may do against the access rules.

With no access rules everybody may do everything; that conversations belong to their users holds all the same.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.auth.base import Authenticator, Lookup, User
from lightspeed_stack.auth.noop import Noop, NoopWithToken

if TYPE_CHECKING:
    from lightspeed_stack.config import AccessRule, Authentication, Authorization

ADMIN = "admin"


class Gate:
    def __init__(self, authenticator: Authenticator, rules: tuple[AccessRule, ...]) -> None:
        self._authenticator = authenticator
        self._rules = rules

    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        return self._authenticator.authenticate(headers, args, remote)

    def authorize(self, user: User, action: str) -> None:
        """Raises `errors.Forbidden` unless one of the user's roles has `action`, or `admin`."""
        if not self.allows(user, action):
            raise _forbidden(user, action)

    def allows(self, user: User, action: str) -> bool:
        granted = {name for rule in self._rules if rule.role in user.roles for name in rule.actions}
        return not self._rules or action in granted or ADMIN in granted


def create(authentication: Authentication, authorization: Authorization) -> Gate:
    return Gate(_authenticator(authentication), authorization.access_rules)


def check(authentication: Authentication, host: str) -> str | None:
    """What is wrong with this configuration of a service that listens on `host`; None when nothing is."""
    if authentication.module in ("noop", "noop-with-token") and not authentication.allow_insecure and not _local(host):
        return (
            f"{authentication.module} lets everybody in who reaches {host}: listen on localhost, choose a module that "
            "checks who asks, or set allow_insecure: true"
        )
    return None


def _authenticator(authentication: Authentication) -> Authenticator:
    match authentication.module:
        case "noop":
            return Noop()
        case "noop-with-token":
            return NoopWithToken()
        case unknown:
            raise ValueError(f"unknown authentication module {unknown!r}")


def _local(host: str) -> bool:
    if host == "localhost" or host.startswith(("unix:", "/")):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _forbidden(user: User, action: str) -> errors.Forbidden:
    if action == "model_override":
        return errors.Forbidden(
            "User lacks model_override permission required to override model/provider.",
            response="This instance does not permit overriding model/provider in the query request (missing permission: "
            "model_override). Please remove the model and provider fields from your request.",
        )
    return errors.Forbidden(f"User {user.id} is not authorized to access this endpoint.")

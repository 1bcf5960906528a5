"""Red Hat's identity header: base64 of a JSON object, set by the gateway in front, which alone may be trusted with it.

https://github.com/RedHatInsights/identity-schemas has the shape. The gateway must drop the header when a client sends it.
A service account and a system are never taken for a user, or for each other, who has the same id: theirs say what they are.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.auth.base import Lookup, User, is_identifier

if TYPE_CHECKING:
    from lightspeed_stack.access import RhIdentityConfig

HEADER = "x-rh-identity"
SERVICE_ACCOUNT, SYSTEM, USER = "service-account:", "system:", "user:"


class RhIdentity:
    def __init__(self, config: RhIdentityConfig) -> None:
        self._config = config

    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        header = headers.get(HEADER)
        if not header:
            raise errors.Plain(401, f"Missing {HEADER} header")
        if len(header) > self._config.max_header_size:
            raise errors.Plain(400, f"{HEADER} header exceeds maximum allowed size")
        document = _decode(header)
        user = _user(document.get("identity"))
        self._check_entitlements(document.get("entitlements"))
        return user

    def _check_entitlements(self, entitlements: object) -> None:
        for service in self._config.required_entitlements:
            entitlement = _part(entitlements, service)
            if not isinstance(entitlement, dict) or entitlement.get("is_entitled") is not True:
                raise errors.Plain(403, "Insufficient entitlements")


def _decode(header: str) -> dict[str, object]:
    try:
        text = base64.b64decode(header, validate=True).decode("utf-8")
    except ValueError:
        raise errors.Plain(400, f"Invalid base64 encoding in {HEADER} header") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise errors.Plain(400, f"Invalid JSON in {HEADER} header") from None
    if not isinstance(document, dict):
        raise _invalid()
    return document


def _user(identity: object) -> User:
    match identity:
        case {"type": "User", "user": {"user_id": user_id, "username": name}}:
            kind = ""
        case {"type": "ServiceAccount", "service_account": {"client_id": user_id, "username": name}}:
            kind = SERVICE_ACCOUNT
        case {"type": "System", "org_id": str(), "system": {"cn": user_id}}:
            kind = SYSTEM
            name = _part(identity, "account_number") or user_id
        case _:
            raise _invalid()
    organization = _part(identity, "org_id")
    if not is_identifier(user_id) or not is_identifier(name):
        raise _invalid()
    if organization not in (None, "") and not is_identifier(organization):
        raise _invalid()
    if not kind and user_id.startswith((SERVICE_ACCOUNT, SYSTEM, USER)):
        kind = USER
    return User(kind + user_id, name)


def _part(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _invalid() -> errors.Plain:
    return errors.Plain(400, "Invalid identity data")

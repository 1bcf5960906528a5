"""The x-rh-identity header, which a gateway adds after it has authenticated the client.

Only its form is checked: without a gateway in front, anybody can claim any identity.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

HEADER = "x-rh-identity"


class IdentityError(Exception):
    """The header is missing or of no use; the message is the answer's text."""


class Identity(NamedTuple):
    account: str = ""
    org_id: str = ""

    def as_upload(self) -> dict[str, str]:
        """As answers carry it: empty fields are left out."""
        fields = {"account_number": self.account, "org_id": self.org_id}
        return {key: value for key, value in fields.items() if value}


def read(header: str | None, *, required: bool) -> Identity:
    """Who a gateway says this is; an identity that is there must be right even when none is required."""
    if not header:
        if required:
            raise IdentityError("Bad Request: missing x-rh-identity header")
        return Identity()
    return _check(_object(_parse(header).get("identity")))


def _parse(header: str) -> dict[str, Any]:
    try:
        decoded = base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError):
        raise IdentityError("Bad Request: unable to b64 decode x-rh-identity header") from None
    try:
        return _object(json.loads(decoded))
    except (ValueError, RecursionError) as error:
        raise IdentityError(f"Bad Request: x-rh-identity header does not contain valid JSON: {error}") from None


def _check(identity: dict[str, Any]) -> Identity:
    account, kind = _text(identity.get("account_number")), _text(identity.get("type"))
    org_id = _text(identity.get("org_id")) or _text(_object(identity.get("internal")).get("org_id"))
    if kind in ("Associate", "X509") and not account:
        return Identity("", org_id)
    if not org_id:
        raise IdentityError("Bad Request: x-rh-identity header has an invalid or missing org_id")
    if not kind:
        raise IdentityError("Bad Request: x-rh-identity header is missing type")
    return Identity(account, org_id)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

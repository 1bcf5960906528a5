"""What an answer of the ingress means. Only 201 and 202 are acceptance, whatever the body says.

A 200 is the connection test's answer or somebody's login page; a redirect would turn the upload into a GET.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Meaning(Enum):
    ACCEPTED = "the ingress has the batch"
    TOO_LARGE = "a smaller batch may pass"
    MALFORMED = "a record, or our request, is not to its liking"
    UNAUTHORIZED = "the credentials are not (any more) good"
    REFUSED = "nothing will pass as we are configured"
    BUSY = "later, perhaps"


class Answer(NamedTuple):
    """`status` is None when there was no answer; `text` is for people, one line, nothing of the body in it."""

    meaning: Meaning
    text: str
    status: int | None = None
    request_id: str = ""
    retry_after: float | None = None
    odd_body: bool = False


_MEANINGS = {
    201: Meaning.ACCEPTED,
    202: Meaning.ACCEPTED,
    400: Meaning.MALFORMED,
    401: Meaning.UNAUTHORIZED,
    408: Meaning.BUSY,
    413: Meaning.TOO_LARGE,
    425: Meaning.BUSY,
    429: Meaning.BUSY,
}
_TOKEN = "see ingress_server_auth_token, ingress_server_auth_token_file or oauth2"  # noqa: S105 - keys, not a secret
_URL = "see ingress_server_url"
_HINTS = {
    200: f"that is a connection test or a login page, not an acceptance; {_URL}",
    400: "see ingress_content_service_name, user_agent and any proxy on the way",
    401: _TOKEN,
    403: _TOKEN,
    404: _URL,
    405: _URL,
    407: "the proxy wants credentials; see HTTPS_PROXY",
    415: "the service is not known there; see ingress_content_service_name",
}


def meaning(status: int, body: bytes) -> Meaning:
    if status == 400 and b"x-rh-identity" in body:
        return Meaning.REFUSED
    if status < 200 or status >= 500:
        return Meaning.BUSY
    return _MEANINGS.get(status, Meaning.REFUSED)


def describe(status: int) -> str:
    """`403 Forbidden (see ...)`."""
    from http import HTTPStatus

    try:
        name = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        name = str(status)
    hint = _HINTS.get(status) or (f"redirects are not followed; {_URL}" if 300 <= status < 400 else "")
    return f"{name} ({hint})" if hint else name


def unreachable(cause: str) -> Answer:
    """There was no answer; whether the batch arrived is not known."""
    return Answer(Meaning.BUSY, cause)

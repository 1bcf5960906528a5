"""Everything that can go wrong in a request, one class per thing the caller can do about it.

An error knows its status and its body and nothing of Flask; app.py renders it, and it alone. Bodies are upstream's:
`{"detail": {"response", "cause"}}`, except `Invalid` (a list of items) and `Plain` (a bare string). No text of a
request, secret or path of this host belongs into `cause`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Error(Exception):
    """The root; raised as itself it is an internal error."""

    status: int = 500
    response: str = "Internal server error"
    cause: str = "An unexpected error occurred while processing the request."
    headers: Mapping[str, str] = _NO_HEADERS

    def __init__(
        self, cause: str | None = None, *, response: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.cause = self.cause if cause is None else cause
        self.response = self.response if response is None else response
        self.headers = self.headers if headers is None else headers
        super().__init__(f"{self.status} {self.response}: {self.cause}")

    def body(self) -> dict[str, object]:
        return {"detail": {"response": self.response, "cause": self.cause}}


class Internal(Error):
    """A fault of ours: nothing the caller can do."""


class Invalid(Error):
    """The request's shape is wrong: each item is `{"type", "loc", "msg", "input"[, "ctx"]}`."""

    status = 422
    response = "Invalid request"

    def __init__(self, items: Sequence[Mapping[str, object]]) -> None:
        self.items = list(items)
        super().__init__("; ".join(str(item.get("type")) for item in self.items))

    def body(self) -> dict[str, object]:
        return {"detail": self.items}


class Plain(Error):
    """An error whose `detail` is upstream's bare string."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        super().__init__(detail, response=detail, headers=headers)

    def body(self) -> dict[str, object]:
        return {"detail": self.cause}


class Unprocessable(Error):
    """The shape is right, a value is not one that we take."""

    status = 422
    response = "Invalid attribute value"


class BadRequest(Error):
    status = 400
    response = "Invalid request"


class NotAuthenticated(Error):
    status = 401
    response = "Missing or invalid credentials provided by client"
    cause = "No Authorization header found"


class Forbidden(Error):
    status = 403
    response = "User does not have permission to access this endpoint"
    cause = "User is not authorized to access this endpoint."


class NotFound(Error):
    status = 404
    response = "Not found"


class TooLarge(Error):
    """What is to be asked does not fit the model's window, or the body not our limit."""

    status = 413
    response = "Prompt is too long"
    cause = "The input exceeds the context window size of the model."


class QuotaExceeded(Error):
    status = 429
    response = "The model quota has been exceeded"
    cause = "The token quota for the model has been exceeded."


class ProviderUnavailable(Error):
    """The provider cannot be reached, or did not answer in time: try later."""

    status = 503
    response = "Unable to connect to the LLM provider"
    cause = "Connection error."


class ProviderFailed(Error):
    """The provider answered with an error or with nonsense."""


class AuthenticationUnavailable(Error):
    """Credentials can't be checked now: try later."""

    status = 503
    response = "Unable to check credentials"
    cause = "The authentication service is unavailable."


class StorageFailed(Error):
    status = 500
    response = "Failed to store feedback"
    cause = "The record could not be stored."


class StorageFull(Error):
    """No room left for records: the operator has to act, the caller may try later."""

    status = 503
    response = "Failed to store feedback"
    cause = "The storage is full."


class DatabaseFailed(Error):
    status = 500
    response = "Database query failed"
    cause = "Failed to query the database"


class Busy(Error):
    """Every thread is taken: try again in a moment."""

    status = 503
    response = "Service is busy"
    cause = "All workers are busy, try again in a moment."
    headers = MappingProxyType({"Retry-After": "1"})


class Stopping(Busy):
    """The daemon is going down; another instance may answer."""

    cause = "The service is stopping."

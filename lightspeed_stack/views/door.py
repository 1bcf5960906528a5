"""Where a request comes in: its body is read, its user told, its right looked up, and the log line learns who it was.

The order is upstream's: a body that is too large or no JSON is refused before anybody is asked who they are.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Request, current_app, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from lightspeed_stack import errors, front, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lightspeed_stack.auth import Gate, User
    from lightspeed_stack.optout import OptOuts
    from lightspeed_stack.pseudonym import Pseudonym


RECORDING = "x-data-collection"
_CONSENT = frozenset({"on", "true", "yes", "1"})


class Door:
    def __init__(self, gate: Gate, pseudonym: Pseudonym, opt_outs: OptOuts) -> None:
        self._gate = gate
        self._pseudonym = pseudonym
        self._opt_outs = opt_outs

    def body(self) -> object:
        """What `parse.Parser` reads; raises errors.Invalid for malformed JSON."""
        here = _request()
        return parse.read(_received(here), here.content_type)

    def enter(self) -> User:
        here = _request()
        user = self._gate.authenticate(here.headers, here.args, here.remote_addr)
        name = self._pseudonym.of(user.id)
        here.environ[front.NOTE].user = name if name.isalnum() else quote(name)
        return user

    def enter_for(self, action: str) -> User:
        user = self.enter()
        self.allow(user, action)
        return user

    def allow(self, user: User, action: str) -> None:
        self._gate.authorize(user, action)

    def is_private(self, user: User) -> bool:
        """Whether this request must leave no record: the user said so once, or its header says so now."""
        said = request.headers.get(RECORDING)
        return (said is not None and said.strip().lower() not in _CONSENT) or self._opt_outs.has(user.id)

    def opted_out(self, user: User) -> Callable[[], bool]:
        """What tells whether the user has said so, at whatever time."""
        return partial(self._opt_outs.has, user.id)

    def concerns(self, conversation_id: str) -> None:
        """The conversation, for the journal's field."""
        request.environ[front.NOTE].conversation = conversation_id

    def note(self, outcome: str) -> None:
        """One word for the log line."""
        request.environ[front.NOTE].outcome = outcome

    @contextmanager
    def noting(self, error: type[errors.Error], outcome: str) -> Iterator[None]:
        """As `note`, for such an error in the block."""
        try:
            yield
        except error:
            self.note(outcome)
            raise


def _request() -> Request:
    """The request itself: each use of Flask's proxy would look it up again."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]  # Flask types its proxy as the request
    return found


def _received(here: Request) -> bytes:
    try:
        raw = _read(here)
    except RequestEntityTooLarge:
        raise
    except Exception as error:  # noqa: BLE001 - server and werkzeug each have errors of their own for a bad transfer
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            raise errors.Plain(408, "Request Timeout") from None
        raise errors.Plain(400, "Bad Request") from None
    if here.content_length is None and len(raw) >= current_app.config["MAX_CONTENT_LENGTH"]:
        raise RequestEntityTooLarge  # a chunked body is cut there without a word
    return raw


def _read(here: Request) -> bytes:
    """Straight from the server where the length is told; werkzeug's wrapping takes longer than the reading."""
    told = here.environ.get("CONTENT_LENGTH", "")
    if not (told.isascii() and told.isdigit()) or "HTTP_TRANSFER_ENCODING" in here.environ:
        return here.get_data(cache=False)
    length = int(told)
    if length > current_app.config["MAX_CONTENT_LENGTH"]:
        raise RequestEntityTooLarge
    raw: bytes = here.environ["wsgi.input"].read(length)
    if len(raw) < length:
        raise ClientDisconnected
    return raw

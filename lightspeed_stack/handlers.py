"""Errors become HTTP here and nowhere else."""

from __future__ import annotations

import logging
from urllib.parse import quote

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.routing import Rule

from lightspeed_stack import alerts, errors
from lightspeed_stack.conversations import ConversationsError
from lightspeed_stack.optout import OptOutError
from lightspeed_stack.switch import SwitchError
from lightspeed_stack.views import reply

log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    app.register_error_handler(errors.Error, _told)
    app.register_error_handler(ConversationsError, _database)
    app.register_error_handler(SwitchError, _setting)
    app.register_error_handler(OptOutError, _setting)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(MethodNotAllowed, _wrong_method)
    app.register_error_handler(HTTPException, _other)
    app.register_error_handler(Exception, _unexpected)


def rule_of_other_methods() -> Rule | None:
    """The route of a request whose path has one, but not with its method."""
    error = request.routing_exception
    adapter = current_app.create_url_adapter(request)
    if adapter is None or not isinstance(error, MethodNotAllowed) or not error.valid_methods:
        return None
    return adapter.match(method=next(iter(error.valid_methods)), return_rule=True)[0]


def _told(error: errors.Error) -> Response:
    return reply.as_json(error.body(), error.status, error.headers)


def _database(error: ConversationsError) -> Response:
    log.error("the database failed: %s", error, extra=alerts.fields(alerts.DATABASE_FAILED))
    return _told(errors.DatabaseFailed())


def _setting(error: SwitchError | OptOutError) -> Response:
    log.error("a setting is not kept: %s", error)
    return _told(errors.StorageFailed("The setting could not be stored.", response="Failed to store the setting"))


def _too_large(error: RequestEntityTooLarge) -> Response:
    limit = current_app.config["MAX_CONTENT_LENGTH"]
    return _told(
        errors.TooLarge(
            f"The request body is larger than {limit} bytes.",
            response="Request is too large",
        )
    )


def _not_found(error: NotFound) -> Response:
    path = request.path.rstrip("/")
    if path != request.path and _exists(path):
        location = request.host_url.rstrip("/") + quote(request.root_path + path)
        query = request.query_string.decode("latin-1")
        return Response(status=307, headers={"Location": f"{location}?{query}" if query else location})
    return _told(errors.Plain(404, "Not Found"))


def _exists(path: str) -> bool:
    adapter = current_app.create_url_adapter(request)
    return adapter is not None and bool(adapter.allowed_methods(path))


def _wrong_method(error: MethodNotAllowed) -> Response:
    allowed = ", ".join(sorted(error.valid_methods or ()))
    return _told(errors.Plain(405, "Method Not Allowed", headers={"Allow": allowed}))


def _other(error: HTTPException) -> Response:
    return _told(errors.Plain(error.code or 500, error.name))


def _unexpected(error: Exception) -> Response:
    log.error("a request failed unexpectedly", exc_info=error, extra=alerts.fields(alerts.REQUEST_FAILED))
    return _told(errors.Internal())

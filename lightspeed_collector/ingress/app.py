"""The ingress as a WSGI application: routes, health, and how each failure is answered.

Every answer carries the request id. There is no route that gives back anything of what was taken.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from lightspeed_collector.ingress import contract
from lightspeed_collector.ingress.bearer import Bearer
from lightspeed_collector.ingress.contract import Rules
from lightspeed_collector.ingress.depot import Depot
from lightspeed_collector.ingress.notifications import Notifications
from lightspeed_collector.ingress.store import StoreError, open_store
from lightspeed_collector.ingress.upload import Refused, Uploads
from lightspeed_stack.daemon.credentials import CredentialError
from lightspeed_stack.daemon.version import VERSION

log = logging.getLogger(__name__)

_PIECE = 1 << 18
_TEXTS = {404: "404 page not found\n", 400: contract.NO_FILE}


@dataclass(frozen=True)
class Settings:
    """`store` is a directory or s3://BUCKET/PREFIX; `state` a directory, on the file system of the store if that is one."""

    store: str
    state: Path
    notify: Path
    token_file: Path | None
    rules: Rules


def create_app(settings: Settings) -> Flask:
    """Also finishes what a crash of an earlier process left half done. Raises `StoreError`."""
    depot = open_depot(settings)
    _recover(depot)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    _add_routes(app, Uploads(settings.rules, Bearer(settings.token_file, os.environ), depot))
    _add_rims(app, settings.rules.max_size)
    return app


def open_depot(settings: Settings) -> Depot:
    notifications = Notifications(settings.notify, settings.state / ".intentions")
    return Depot(open_store(settings.store), notifications, settings.state)


def _recover(depot: Depot) -> None:
    try:
        depot.recover()
    except (StoreError, OSError) as error:
        log.error("what a crash left half done stays so until the next start: %s", error)


def _add_routes(app: Flask, uploads: Uploads) -> None:
    def upload() -> Response:
        return uploads.take(request, g.request_id)

    def health() -> Response:
        return Response("lubdub", mimetype="text/plain")

    def health_of_a_known_sender() -> Response:
        uploads.identify(request)
        return health()

    def version() -> Response:
        return jsonify(version=VERSION, commit="")

    for path in contract.UPLOADS:
        app.add_url_rule(path, f"upload {path}", upload, methods=["POST"])
    app.add_url_rule("/", "health", health)
    for prefix in contract.PREFIXES:
        app.add_url_rule(f"{prefix}/", f"health {prefix}", health_of_a_known_sender, strict_slashes=False)
        app.add_url_rule(f"{prefix}/version", f"version {prefix}", version)


def _add_rims(app: Flask, max_size: int) -> None:
    @app.before_request
    def name_request() -> None:
        g.request_id = contract.request_id(request.headers.get(contract.REQUEST_ID))

    @app.after_request
    def finish(answer: Response) -> Response:
        _drain(max_size + _PIECE)
        answer.headers[contract.REQUEST_ID] = g.request_id
        return answer

    app.register_error_handler(Refused, _refuse)
    app.register_error_handler(HTTPException, _render)
    for failure in (StoreError, CredentialError, OSError):
        app.register_error_handler(failure, _fail)


def _drain(most: int) -> None:
    """Read what is left of the body: a client that is still sending would see a reset instead of the answer."""
    try:
        while most > 0 and (piece := request.stream.read(_PIECE)):
            most -= len(piece)
    except Exception as error:  # noqa: BLE001 - gunicorn's and Werkzeug's errors for a gone client share no root
        log.debug("the client is gone: %r", error)


def _refuse(refused: Refused) -> Response:
    log.warning("refused request %s: %s", g.request_id, str(refused).strip())
    return Response(refused.text, refused.status, refused.headers, mimetype="text/plain")


def _render(error: HTTPException) -> Response:
    """Werkzeug's own refusals in the contract's words; an unforeseen error is logged by Flask and comes as a 500."""
    status = error.code or 500
    allow = [(name, value) for name, value in error.get_headers() if name == "Allow"]
    return Response(_TEXTS.get(status, ""), status, allow, mimetype="text/plain")


def _fail(error: Exception) -> Response:
    log.error("failed request %s: %s", g.request_id, error)
    return Response("", 500, mimetype="text/plain")

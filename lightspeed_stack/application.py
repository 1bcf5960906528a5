"""Flask without what no request here uses: sessions, signals, teardown functions, asynchronous views, routes by host.

They are much of what Flask spends on a small request (bench/profile.py shows what is left).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

ViewFunction = Callable[..., Any]


class NoSession(SessionInterface):
    def __init__(self) -> None:
        self._none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none


class Application(Flask):
    """`before_request` functions are called; they can't answer."""

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.session_interface = NoSession()

    def ensure_sync(self, func: ViewFunction) -> ViewFunction:
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return None
        environ = request.environ
        server, scheme = environ["SERVER_NAME"], request.scheme
        return MapAdapter(self.url_map, server, request.root_path, "", scheme, request.path, request.method)

    def full_dispatch_request(self) -> Response:
        try:
            for prepare in self.before_request_funcs.get(None, ()):
                prepare()
            return self.make_response(self.dispatch_request())
        except Exception as error:  # noqa: BLE001 - what error handlers are for
            return self.make_response(self.handle_user_exception(error))

    def do_teardown_request(self, *_: Any) -> None:
        pass

    def do_teardown_appcontext(self, *_: Any) -> None:
        pass

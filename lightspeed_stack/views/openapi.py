"""GET /openapi.json and /docs: the API described, for programs and for people; works without the internet."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from flask import Response, send_from_directory
from flask.views import MethodView, View
from werkzeug.exceptions import NotFound

from lightspeed_stack.daemon.version import VERSION

if TYPE_CHECKING:
    from lightspeed_stack.config import Service

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/index.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START = "SwaggerUIBundle({url: 'openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null});\n"
FILES = frozenset({"favicon-32x32.png", "swagger-ui.css", "index.css", "swagger-ui-bundle.js"})
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def described(spec: Mapping[str, Any], name: str, service: Service) -> dict[str, Any]:
    """The specification as this installation serves it."""
    info = {
        **spec["info"],
        "title": f"{name} service - OpenAPI",
        "description": f"{name} service API specification.\n\n{spec['info']['description']}",
        "version": VERSION,
    }
    most = "components", "schemas", "QueryRequest", "properties", "attachments", "maxItems"
    made = _replaced(spec, most, service.max_attachments)
    return {**made, "info": info, "servers": [{"url": service.base_url or "."}]}


def _replaced(mapping: Mapping[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    first, *rest = path
    return {**mapping, first: _replaced(mapping[first], tuple(rest), value) if rest else value}


class OpenapiView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._text = json.dumps(description, separators=(",", ":"), ensure_ascii=False).encode()

    def dispatch_request(self) -> Response:
        return Response(self._text, content_type="application/json")


class DocsView(View):
    init_every_request = False
    methods = ("GET",)

    def __init__(self, title: str) -> None:
        self._page = PAGE.format(title=html.escape(title))

    def dispatch_request(self) -> Response:
        return Response(self._page, headers=HEADERS, content_type="text/html; charset=utf-8")


class DocsFileView(MethodView):
    """The parts of the page: Swagger UI's files as its package ships them, and the line that starts it."""

    init_every_request = False

    def get(self, name: str) -> Response:
        if name == "start.js":
            return Response(START, headers=HEADERS, content_type="text/javascript; charset=utf-8")
        if name not in FILES:
            raise NotFound
        with resources.as_file(resources.files("flask_swagger_ui") / "dist") as directory:
            response = send_from_directory(directory, name, max_age=86400)
        response.headers.update(HEADERS)
        return response

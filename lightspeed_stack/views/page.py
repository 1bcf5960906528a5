"""GET / and /status: the pages for people, the files that they name, and what they must know before anybody has signed in.

Everything comes from this server: the policy forbids the browser to load or run anything else. The pages themselves
hold nothing that is worth protecting; what they show comes from the API, which asks who wants to know.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from flask import Response, abort, request
from flask.views import MethodView, View

from lightspeed_stack import notice
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from lightspeed_stack.config import UserDataCollection
    from lightspeed_stack.switch import Switch

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types markdown"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
SIGN_IN = {"noop": "none", "rh-identity": "proxy", "trusted-proxy": "proxy"}


@dataclass(frozen=True)
class File:
    body: bytes
    content_type: str
    digest: str

    def response(self) -> Response:
        response = Response(self.body, headers=HEADERS, content_type=self.content_type)
        response.set_etag(self.digest)
        response.make_conditional(request)
        return response


class PageView(View):
    """One of the pages."""

    init_every_request = False
    methods = ("GET",)

    def __init__(self, name: str) -> None:
        self._file = _read(resources.files("lightspeed_stack") / "page" / name)

    def dispatch_request(self) -> Response:
        return self._file.response()


class PageFileView(MethodView):
    """Under /page/, the files that the pages name."""

    init_every_request = False

    def __init__(self) -> None:
        self._files = dict(_files())

    def get(self, name: str) -> Response:
        if name not in self._files:
            abort(404)
        return self._files[name].response()


class PageSettingsView(View):
    """GET /page/settings.json: what the pages tell before anybody asks."""

    init_every_request = False
    methods = ("GET",)

    def __init__(self, name: str, module: str, collection: UserDataCollection, switch: Switch) -> None:
        self._name = name
        self._sign_in = SIGN_IN.get(module, "token")
        self._collection = collection
        self._switch = switch

    def dispatch_request(self) -> Response:
        feedback = self._switch.get()
        return reply.as_json(
            {
                "name": self._name,
                "sign_in": self._sign_in,
                "feedback_enabled": feedback,
                "recorded": self._collection.transcripts_enabled or feedback,
                "summary": notice.summary(self._collection, feedback),
                "notice": list(notice.sentences(self._collection, feedback)),
                "notice_opted_out": [notice.OPTED_OUT, notice.REMEMBERED],
            }
        )


def _read(file: Traversable) -> File:
    body = file.read_bytes()
    kind = KINDS.get(file.name.rpartition(".")[2], "text/plain")
    return File(body, f"{kind}; charset=utf-8", hashlib.sha256(body).hexdigest())


def _files() -> Iterator[tuple[str, File]]:
    root = resources.files("lightspeed_stack") / "page"
    for prefix, folder in (("", root), ("vendor/", root / "vendor")):
        for file in folder.iterdir():
            if file.is_file() and not file.name.endswith(".html"):
                yield prefix + file.name, _read(file)

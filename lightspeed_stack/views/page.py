"""GET /: the chat page, its files, and what it must know before anybody has signed in.

Everything comes from this server: the policy forbids the browser to load or run anything else.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from flask import Response, abort
from flask.views import View

from lightspeed_stack import notice
from lightspeed_stack.views import reply

if TYPE_CHECKING:
    from lightspeed_stack.config import UserDataCollection
    from lightspeed_stack.switch import Switch

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class PageView(View):
    """The page itself and, under /page/, the files that it names."""

    init_every_request = False
    methods = ("GET",)

    def __init__(self) -> None:
        self._files = dict(_files())

    def dispatch_request(self, name: str = "index.html") -> Response:
        if name not in self._files:
            abort(404)
        body, kind = self._files[name]
        return Response(body, headers=HEADERS, content_type=kind)


class PageSettingsView(View):
    """GET /page/settings.json: what the page tells before anybody asks."""

    init_every_request = False
    methods = ("GET",)

    def __init__(self, name: str, collection: UserDataCollection, switch: Switch) -> None:
        self._name = name
        self._collection = collection
        self._switch = switch

    def dispatch_request(self) -> Response:
        feedback = self._switch.get()
        return reply.as_json(
            {
                "name": self._name,
                "feedback_enabled": feedback,
                "recorded": self._collection.transcripts_enabled or feedback,
                "notice": list(notice.sentences(self._collection, feedback)),
            }
        )


def _files() -> list[tuple[str, tuple[bytes, str]]]:
    root = resources.files("lightspeed_stack") / "page"
    folders = (("", root), ("vendor/", root / "vendor"))
    return [
        (prefix + file.name, (file.read_bytes(), _type(file.name)))
        for prefix, folder in folders
        for file in folder.iterdir()
        if file.is_file()
    ]


def _type(name: str) -> str:
    return f"{KINDS.get(name.rpartition('.')[2], 'text/plain')}; charset=utf-8"

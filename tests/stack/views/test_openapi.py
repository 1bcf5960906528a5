"""The description and its page, which has to work without the internet under a strict policy."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from lightspeed_stack.daemon.version import VERSION
from tests.stack.conftest import MakeClient


class Links(HTMLParser):
    """What a page loads, and whether it runs anything of its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.inline = ""
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value for name, value in attrs if name in ("src", "href") and value]
        self.inline += "".join(name for name, _ in attrs if name.startswith("on") or name == "style")
        self._script = tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if self._script:
            self.inline += data.strip()


class TestDescription:
    def test_it_is_this_services(self, shared: FlaskClient) -> None:
        told = shared.get("/openapi.json").json
        assert told["openapi"] == "3.1.0"
        assert told["info"]["title"] == "test service - OpenAPI"
        assert told["info"]["description"].startswith("test service API specification.")
        assert told["info"]["version"] == VERSION
        assert told["info"]["license"]["name"] == "Apache-2.0"
        assert told["servers"] == [{"url": "."}]

    def test_it_is_valid(self, shared: FlaskClient) -> None:
        OpenAPIV31SpecValidator(shared.get("/openapi.json").json).validate()

    def test_it_tells_how_many_attachments_are_taken(self, shared: FlaskClient, make_client: MakeClient) -> None:
        for client, most in ((shared, 16), (make_client(service={"max_attachments": 2}), 2)):
            question = client.get("/openapi.json").json["components"]["schemas"]["QueryRequest"]
            assert question["properties"]["attachments"]["maxItems"] == most

    def test_where_it_is_served_may_be_configured(self, make_client: MakeClient) -> None:
        client = make_client(service={"base_url": "https://ask.example.com"})
        assert client.get("/openapi.json").json["servers"] == [{"url": "https://ask.example.com"}]


class TestPage:
    def test_everything_it_loads_is_here(self, shared: FlaskClient) -> None:
        page = Links(shared.get("/docs").text)
        assert len(page.targets) >= 4
        for target in page.targets:
            assert not re.match(r"\w+:|//|/", target)
            answer = shared.get(f"/{target}")
            assert answer.status_code == 200, target
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert len(answer.data) > 20

    def test_nothing_runs_that_the_policy_forbids(self, shared: FlaskClient) -> None:
        answer = shared.get("/docs")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "connect-src 'self'" in policy
        assert Links(answer.text).inline == ""

    def test_the_start_names_the_description(self, shared: FlaskClient) -> None:
        answer = shared.get("/docs/start.js")
        assert answer.content_type == "text/javascript; charset=utf-8"
        assert "openapi.json" in answer.text

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
            ("swagger-ui.css", "text/css; charset=utf-8"),
            ("favicon-32x32.png", "image/png"),
        ],
    )
    def test_kinds(self, shared: FlaskClient, name: str, kind: str) -> None:
        assert shared.get(f"/docs/{name}").content_type == kind

    @pytest.mark.parametrize("name", ["LICENSE", "..", "%2e%2e/setup.py", "nope.js", "oauth2-redirect.html"])
    def test_no_other_file(self, shared: FlaskClient, name: str) -> None:
        assert shared.get(f"/docs/{name}").status_code == 404

    def test_a_name_is_text(self, make_client: MakeClient) -> None:
        assert "<script>alert" not in make_client(name="<script>alert(1)</script>").get("/docs").text

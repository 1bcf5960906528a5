from __future__ import annotations

import hashlib
import re
from importlib import resources

import pytest
from flask.testing import FlaskClient

from tests.stack.conftest import MakeClient

PAGES = ["/", "/status"]
NAMED = re.compile(r'(?:href|src)="(page/[^"]+)"')
IMPORTED = re.compile(r'^import .*?"\./([^"]+)"', re.MULTILINE)
ELSEWHERE = re.compile(r"""(?:src|href|url|import|fetch)\s*[=(]?\s*["'(]\s*(?:https?:)?//""")


def files(client: FlaskClient, page: str) -> dict[str, str]:
    """Everything that the browser loads for a page, by path."""
    found = {page: client.get(page).text}
    wanted = [f"/{name}" for name in NAMED.findall(found[page])]
    while wanted:
        path = wanted.pop()
        if path not in found:
            answer = client.get(path)
            assert answer.status_code == 200, path
            found[path] = answer.text
            wanted += [path.rpartition("/")[0] + "/" + name for name in IMPORTED.findall(answer.text)]
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_nothing_but_this_server(shared: FlaskClient, page: str) -> None:
    loaded = files(shared, page)
    assert len(loaded) > 5
    assert [path for path, text in loaded.items() if ELSEWHERE.search(text)] == []
    assert [path for path, text in loaded.items() if re.search(r"\sstyle=|\son\w+=\"|<script>|<style>", text)] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_imports_is_named_in_it_so_that_nobody_waits_for_one_after_the_other(
    shared: FlaskClient, page: str
) -> None:
    scripts = {path for path in files(shared, page) if path.endswith(".js")}
    assert scripts == {f"/{name}" for name in NAMED.findall(shared.get(page).text) if name.endswith(".js")}


@pytest.mark.parametrize("path", [*PAGES, "/page/chat.js", "/page/vendor/markdown-it.js", "/page/icon.svg"])
def test_the_policy_is_strict(shared: FlaskClient, path: str) -> None:
    headers = shared.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {value for key, value in policy.items() if key.endswith("-src")} == {"'none'", "'self'"}
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page/base.css", "text/css; charset=utf-8"),
        ("/page/chat.js", "text/javascript; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml; charset=utf-8"),
        ("/page/vendor/markdown-it.LICENSE", "text/plain; charset=utf-8"),
    ],
)
def test_a_browser_asks_again_and_loads_only_what_is_new(shared: FlaskClient, path: str, kind: str) -> None:
    answer = shared.get(path)
    assert (answer.status_code, answer.content_type) == (200, kind)
    again = shared.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "name", ["index.html", "status.html", "nope.js", "../app.py", "vendor", "vendor/", "%2e%2e/app.py"]
)
def test_nothing_else_is_served(shared: FlaskClient, name: str) -> None:
    assert shared.get(f"/page/{name}").status_code in (404, 307)


@pytest.mark.parametrize(
    ("authentication", "sign_in"),
    [
        ({"module": "noop"}, "none"),
        ({"module": "noop-with-token"}, "token"),
        ({"module": "api-key-token", "api_key_config": {"api_key": "k"}}, "token"),
        ({"module": "jwk-token", "jwk_config": {"url": "http://127.0.0.1:9/keys"}}, "token"),
        ({"module": "rh-identity", "rh_identity_config": {}}, "proxy"),
        ({"module": "trusted-proxy", "trusted_proxy_config": {"user_header": "x-user"}}, "proxy"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["module"],
)
def test_the_settings_tell_how_to_sign_in(
    make_client: MakeClient, authentication: dict[str, object], sign_in: str
) -> None:
    assert make_client(authentication=authentication).get("/page/settings.json").json["sign_in"] == sign_in


def test_the_settings_tell_what_is_recorded(client: FlaskClient) -> None:
    told = client.get("/page/settings.json").json
    assert told["name"] == "test"
    assert told["recorded"] is told["feedback_enabled"] is True
    assert told["summary"].startswith("Your questions, answers and feedback are recorded")
    assert "Records do not leave this host." in told["notice"]
    client.put("/v1/feedback/status", json={"status": False})
    told = client.get("/page/settings.json").json
    assert told["feedback_enabled"] is False
    assert "Feedback is switched off." in told["notice"]


def test_the_vendored_library_is_the_recorded_one() -> None:
    vendor = resources.files("lightspeed_stack") / "page" / "vendor"
    script = (vendor / "markdown-it.js").read_bytes()
    record = (vendor / "README.md").read_text()
    version = re.match(rb"/\*! markdown-it (\S+) ", script)
    assert version
    assert f"markdown-it {version[1].decode()}, MIT" in record
    assert hashlib.sha256(script).hexdigest() in record
    assert (vendor / "markdown-it.LICENSE").is_file()

import pytest

from lightspeed_stack import config
from lightspeed_stack.cors import Cors

ALL = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
ANYWHERE = config.Cors(("*",), False, ("*",), ("*",))
SOMEWHERE = config.Cors(("https://a.example",), True, ("GET", "POST"), ("X-Own",))


def preflight(origin: str = "https://a.example", method: str = "POST", headers: str | None = None) -> dict[str, str]:
    environ = {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": origin, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": method}
    return environ | ({"HTTP_ACCESS_CONTROL_REQUEST_HEADERS": headers} if headers else {})


def test_without_an_origin_nothing_is_added() -> None:
    assert Cors(ANYWHERE).headers({"REQUEST_METHOD": "GET"}) == ()


def test_any_origin() -> None:
    assert Cors(ANYWHERE).headers({"HTTP_ORIGIN": "https://b.example"}) == (("access-control-allow-origin", "*"),)


def test_a_named_origin_with_credentials() -> None:
    assert dict(Cors(SOMEWHERE).headers({"HTTP_ORIGIN": "https://a.example"})) == {
        "access-control-allow-origin": "https://a.example",
        "access-control-allow-credentials": "true",
        "vary": "Origin",
    }


def test_another_origin_is_not_allowed_and_caches_are_told() -> None:
    assert Cors(SOMEWHERE).headers({"HTTP_ORIGIN": "https://b.example"}) == (("vary", "Origin"),)


@pytest.mark.parametrize(
    "environ",
    [
        {"REQUEST_METHOD": "OPTIONS"},
        {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "https://a.example"},
        {"REQUEST_METHOD": "OPTIONS", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"},
        preflight() | {"REQUEST_METHOD": "GET"},
    ],
)
def test_what_is_no_preflight(environ: dict[str, str]) -> None:
    assert Cors(ANYWHERE).preflight(environ) is None


def test_a_preflight_from_anywhere_echoes_the_headers_asked_for() -> None:
    answer = Cors(ANYWHERE).preflight(preflight(headers="x-one, X-Two"))
    assert answer is not None
    assert (answer.status, answer.body) == ("200 OK", b"OK")
    assert dict(answer.headers) == {
        "access-control-allow-methods": ALL,
        "access-control-max-age": "600",
        "access-control-allow-headers": "x-one, X-Two",
        "content-type": "text/plain; charset=utf-8",
        "content-length": "2",
    }


def test_a_preflight_that_names_what_is_configured() -> None:
    answer = Cors(SOMEWHERE).preflight(preflight(headers="x-own, Content-Type"))
    assert answer is not None
    assert answer.status == "200 OK"
    assert dict(answer.headers)["access-control-allow-methods"] == "GET, POST"
    assert "X-Own" in dict(answer.headers)["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("environ", "what"),
    [
        (preflight(origin="https://b.example"), "origin"),
        (preflight(method="DELETE"), "method"),
        (preflight(headers="x-other"), "headers"),
        (preflight(origin="null", method="PUT", headers="x"), "origin, method, headers"),
    ],
)
def test_a_preflight_for_what_is_not_allowed(environ: dict[str, str], what: str) -> None:
    answer = Cors(SOMEWHERE).preflight(environ)
    assert answer is not None
    assert (answer.status, answer.body) == ("400 Bad Request", f"Disallowed CORS {what}".encode())

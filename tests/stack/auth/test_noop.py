from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import errors
from lightspeed_stack.auth.noop import Noop, NoopWithToken

DEFAULT = "00000000-0000-0000-0000-000"


def test_the_default_user() -> None:
    user = Noop().authenticate({"Authorization": "Bearer ignored"}, {}, None)
    assert (user.id, user.name, user.token, user.skip_userid_check) == (DEFAULT, "lightspeed-user", "", True)


@pytest.mark.parametrize("module", [Noop(), NoopWithToken()])
def test_the_user_of_the_url(module: Noop | NoopWithToken) -> None:
    assert module.authenticate({"Authorization": "Bearer t"}, {"user_id": "žofie"}, None).id == "žofie"


@pytest.mark.parametrize(
    ("user_id", "detail"),
    [
        ("", "user_id cannot be empty"),
        ("a\x00b", "user_id must be at most 256 characters, none of them a control character"),
        ("x" * 257, "user_id must be at most 256 characters, none of them a control character"),
        ("\ud800", "user_id must be at most 256 characters, none of them a control character"),
        (" ", "user_id must be at most 256 characters, none of them a control character"),
    ],
)
def test_no_user_at_all(user_id: str, detail: str) -> None:
    with pytest.raises(errors.Plain) as caught:
        Noop().authenticate({}, {"user_id": user_id}, None)
    assert (caught.value.status, caught.value.body()) == (400, {"detail": detail})


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER\tabc", "  Bearer   abc  "])
def test_a_token_is_wanted_and_not_verified(header: str) -> None:
    user = NoopWithToken().authenticate({"Authorization": header}, {}, None)
    assert (user.id, user.token, user.skip_userid_check) == (DEFAULT, "abc", True)


@pytest.mark.parametrize("header", ["Bearer", "abc", "Basic abc", "Bearer a b", "   ", "Bearer a,Bearer b"])
def test_a_header_without_a_token(header: str) -> None:
    with pytest.raises(errors.NotAuthenticated) as caught:
        NoopWithToken().authenticate({"Authorization": header}, {}, None)
    assert caught.value.status == 401
    assert caught.value.body() == {
        "detail": {
            "response": "Missing or invalid credentials provided by client",
            "cause": "No token found in Authorization header",
        }
    }


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}])
def test_no_header(headers: dict[str, str]) -> None:
    with pytest.raises(errors.NotAuthenticated) as caught:
        NoopWithToken().authenticate(headers, {}, None)
    assert caught.value.cause == "No Authorization header found"


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_gives_a_token_without_spaces_or_an_error(header: str) -> None:
    try:
        token = NoopWithToken().authenticate({"Authorization": header}, {}, None).token
    except errors.NotAuthenticated:
        return
    assert token in header
    assert len(token.split()) == 1

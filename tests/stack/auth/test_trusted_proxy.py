from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import errors
from lightspeed_stack.access import TrustedProxyConfig
from lightspeed_stack.auth.trusted_proxy import TrustedProxy
from lightspeed_stack.daemon.config import ConfigError

PROXY = TrustedProxy(TrustedProxyConfig("X-Forwarded-User", ("127.0.0.1", "::1", "10.1.0.0/16", "fd00::1/64")))


def ask(value: str | None, remote: str | None = "127.0.0.1") -> str:
    headers = {} if value is None else {"X-Forwarded-User": value}
    return PROXY.authenticate(headers, {"user_id": "mallory"}, remote).id


def cause(value: str | None, remote: str | None = "127.0.0.1") -> str:
    with pytest.raises(errors.NotAuthenticated) as caught:
        ask(value, remote)
    assert caught.value.status == 401
    return caught.value.cause


@pytest.mark.parametrize(
    "remote", ["127.0.0.1", "::1", "10.1.255.3", "fd00::abcd", "::ffff:127.0.0.1", "fd00::1%eth0", "", None]
)
def test_a_proxy_is_believed(remote: str | None) -> None:
    assert ask("bob", remote) == "bob"


@pytest.mark.parametrize(
    "remote", ["127.0.0.2", "10.2.0.1", "fd01::1", "::ffff:10.2.0.1", "localhost", "unix", "127.0.0.1, 8.8.8.8"]
)
def test_nobody_else_is(remote: str) -> None:
    assert cause("bob", remote) == "The request did not come from a trusted proxy"


def test_a_user_is_id_and_name() -> None:
    user = PROXY.authenticate({"X-Forwarded-User": "bob@EXAMPLE.COM"}, {}, "::1")
    assert (user.id, user.name, user.token, user.skip_userid_check) == ("bob@EXAMPLE.COM", "bob@EXAMPLE.COM", "", True)


def test_a_name_is_utf_8() -> None:
    assert ask("žofie".encode().decode("latin-1")) == "žofie"
    assert ask("Ren\u00e9") == "Ren\u00e9"


@pytest.mark.parametrize("value", [None, "", "   "])
def test_no_name(value: str | None) -> None:
    assert cause(value) == "Missing required header 'X-Forwarded-User'"


@pytest.mark.parametrize("value", ["mallory,bob", "bob,", "a\x01b", "x" * 257])
def test_a_name_that_is_none_or_two(value: str) -> None:
    assert cause(value) == "Invalid value of header 'X-Forwarded-User'"


def test_no_proxy_allowed_leaves_the_unix_socket() -> None:
    proxy = TrustedProxy(TrustedProxyConfig("X-User", ()))
    assert proxy.authenticate({"X-User": "bob"}, {}, "").id == "bob"
    with pytest.raises(errors.NotAuthenticated):
        proxy.authenticate({"X-User": "bob"}, {}, "127.0.0.1")


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        TrustedProxy(TrustedProxyConfig("X-User", ("127.0.0.1", "localhost")))
    [fault] = caught.value.faults
    assert fault.key == "authentication.trusted_proxy_config.allowed_proxies[1]"


@given(st.text(st.characters(max_codepoint=255)), st.text(max_size=20).filter(bool))
def test_any_header_from_anywhere_is_judged(value: str, remote: str) -> None:
    cause(value, f"x{remote}")
    try:
        user_id = ask(value)
    except errors.NotAuthenticated:
        return
    assert 0 < len(user_id) <= 256
    assert "," not in user_id

from __future__ import annotations

import hashlib
import io

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from lightspeed_stack import errors, redact
from lightspeed_stack.access import ApiKey, ApiKeyConfig
from lightspeed_stack.auth import User, api_key
from lightspeed_stack.auth.api_key import ApiKeys
from lightspeed_stack.config import Redaction
from lightspeed_stack.daemon.schema import Secret


def hashed(user_id: str, key: str) -> ApiKey:
    return ApiKey(user_id, Secret(hashlib.sha256(key.encode()).hexdigest()))


KEYS = ApiKeys(ApiKeyConfig(None, (hashed("alice", "key-a"), hashed("bob", "key-b"), hashed("bob", "key-b2"))))


def ask(keys: ApiKeys, token: str) -> User:
    return keys.authenticate({"Authorization": f"Bearer {token}"}, {"user_id": "mallory"}, None)


@pytest.mark.parametrize(("key", "user_id"), [("key-a", "alice"), ("key-b", "bob"), ("key-b2", "bob")])
def test_each_key_is_a_users(key: str, user_id: str) -> None:
    user = ask(KEYS, key)
    assert (user.id, user.name, user.token, user.skip_userid_check) == (user_id, user_id, key, True)


def test_the_single_key_of_older_files_is_the_default_users() -> None:
    keys = ApiKeys(ApiKeyConfig(Secret("one for all"), (hashed("alice", "key-a"),)))
    assert ask(keys, "key-a").id == "alice"
    with pytest.raises(errors.NotAuthenticated):
        ask(keys, "one for all")
    keys = ApiKeys(ApiKeyConfig(Secret("one-for-all"), ()))
    assert (ask(keys, "one-for-all").id, ask(keys, "one-for-all").name) == (
        "00000000-0000-0000-0000-000",
        "lightspeed-user",
    )


def test_a_hash_may_be_written_in_capitals() -> None:
    key = ApiKey("alice", Secret(hashlib.sha256(b"key-a").hexdigest().upper()))
    assert ask(ApiKeys(ApiKeyConfig(None, (key,))), "key-a").id == "alice"


def test_a_key_beyond_ascii() -> None:
    keys = ApiKeys(ApiKeyConfig(Secret("klíč-ž"), ()))
    assert ask(keys, "klíč-ž".encode().decode("latin-1")).name == "lightspeed-user"


@pytest.mark.parametrize("token", ["key-c", "key-a2", "KEY-A", hashlib.sha256(b"key-a").hexdigest(), "\u20ac"])
def test_a_wrong_key_is_upstreams_error(token: str) -> None:
    with pytest.raises(errors.Plain) as caught:
        ask(KEYS, token)
    assert caught.value.status == 401
    assert caught.value.body() == {"detail": "Invalid API Key"}


def test_no_key() -> None:
    with pytest.raises(errors.NotAuthenticated) as caught:
        KEYS.authenticate({}, {}, None)
    assert caught.value.cause == "No Authorization header found"


@given(st.text(st.characters()))
def test_no_text_opens_the_door(text: str) -> None:
    assume(text.strip() not in ("key-a", "key-b", "key-b2"))
    with pytest.raises((errors.Plain, errors.NotAuthenticated)):
        ask(KEYS, text)


def made(user: str) -> tuple[str, str]:
    out = io.StringIO()
    assert api_key.command(user, out) == 0
    key, _, rest = out.getvalue().partition("\n")
    return key, rest.partition("\n\n")[2]


@pytest.mark.parametrize("user", ["alice", "yes", "12", 'a "b": #c', "žofie"])
def test_the_command_makes_a_key_that_its_lines_let_in(user: str) -> None:
    key, lines = made(user)
    [entry] = yaml.safe_load(lines)["authentication"]["api_key_config"]["keys"]
    keys = ApiKeys(ApiKeyConfig(None, (ApiKey(entry["user_id"], Secret(entry["sha256"])),)))
    assert ask(keys, key).id == user
    assert key not in lines


def test_keys_are_never_the_same_and_long_and_known_to_redaction() -> None:
    keys = {made("alice")[0] for _ in range(50)}
    assert len(keys) == 50
    assert min(map(len, keys)) >= 44
    redactor = redact.from_config(Redaction(("api_key",), ()))
    assert {redactor.apply(f"it is {key}.") for key in keys} == {"it is [API_KEY]."}


@pytest.mark.parametrize("user", ["", "a\nb", "x" * 257])
def test_the_command_makes_no_key_for_nobody(user: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    assert api_key.command(user, out) == 64
    assert out.getvalue() == ""
    assert "a user has 1 to 256 characters" in capsys.readouterr().err

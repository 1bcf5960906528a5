from __future__ import annotations

import pytest

from lightspeed_stack import auth, errors
from lightspeed_stack.access import (
    AccessRule,
    ApiKeyConfig,
    Authentication,
    Authorization,
    JwkConfig,
    JwtConfiguration,
    RhIdentityConfig,
    TrustedProxyConfig,
)
from lightspeed_stack.auth import User
from lightspeed_stack.auth.gate import Gate
from lightspeed_stack.auth.noop import Noop
from lightspeed_stack.daemon.config import ConfigError
from lightspeed_stack.daemon.schema import Secret

ALICE = User("alice", "Alice", "token-of-alice")
ACTIONS = ["query", "streaming_query", "feedback", "get_models", "delete_conversation", "model_override", "admin"]


def gate(*rules: AccessRule) -> Gate:
    return Gate(Noop(), rules)


@pytest.mark.parametrize("action", ACTIONS)
def test_without_rules_everyone_may_do_everything(action: str) -> None:
    gate().authorize(ALICE, action)


def test_the_star_is_everyone() -> None:
    allowing = gate(AccessRule("*", ("query", "info")))
    assert [action for action in ACTIONS if allowing.allows(ALICE, action)] == ["query"]


def test_a_role_counts_only_for_those_who_have_it() -> None:
    allowing = gate(AccessRule("operator", ("feedback",)))
    assert allowing.allows(User("bob", "Bob", roles=frozenset({"operator"})), "feedback") is True
    assert allowing.allows(ALICE, "feedback") is False


def test_a_user_is_a_role_too() -> None:
    allowing = gate(AccessRule("user:alice", ("feedback",)))
    assert allowing.allows(ALICE, "feedback") is True
    assert allowing.allows(User("user:alice", "x"), "feedback") is False
    assert allowing.allows(User("bob", "user:alice"), "feedback") is False


@pytest.mark.parametrize("action", ACTIONS)
def test_admin_is_everything(action: str) -> None:
    assert gate(AccessRule("*", ("info",)), AccessRule("user:alice", ("admin",))).allows(ALICE, action)


def test_a_refusal_is_upstreams() -> None:
    with pytest.raises(errors.Forbidden) as caught:
        gate(AccessRule("*", ("info",))).authorize(ALICE, "query")
    assert caught.value.status == 403
    assert caught.value.body() == {
        "detail": {
            "response": "User does not have permission to access this endpoint",
            "cause": "User alice is not authorized to access this endpoint.",
        }
    }


def test_a_refused_choice_of_the_model_is_upstreams() -> None:
    with pytest.raises(errors.Forbidden) as caught:
        gate(AccessRule("*", ("query",))).authorize(ALICE, "model_override")
    assert caught.value.body() == {
        "detail": {
            "response": "This instance does not permit overriding model/provider in the query request (missing permission: "
            "model_override). Please remove the model and provider fields from your request.",
            "cause": "User lacks model_override permission required to override model/provider.",
        }
    }


def test_a_user_shows_no_token() -> None:
    assert "token-of-alice" not in repr(ALICE)


def authentication(module: str, **sections: object) -> Authentication:
    given: dict[str, object] = {
        "module": module,
        "allow_insecure": False,
        "skip_for_health_probes": False,
        "skip_for_metrics": False,
        "api_key_config": None,
        "jwk_config": None,
        "rh_identity_config": None,
        "trusted_proxy_config": None,
        **sections,
    }
    return Authentication(**given)  # type: ignore[arg-type]  # the tests' own keywords


@pytest.mark.parametrize(
    ("config", "headers", "user_id"),
    [
        (authentication("noop"), {}, "00000000-0000-0000-0000-000"),
        (authentication("noop-with-token"), {"Authorization": "Bearer x"}, "00000000-0000-0000-0000-000"),
        (
            authentication("api-key-token", api_key_config=ApiKeyConfig(Secret("k"), ())),
            {"Authorization": "Bearer k"},
            "00000000-0000-0000-0000-000",
        ),
        (
            authentication("rh-identity", rh_identity_config=RhIdentityConfig((), 8192)),
            {
                "x-rh-identity": "eyJpZGVudGl0eSI6eyJ0eXBlIjoiVXNlciIsInVzZXIiOnsidXNlcl9pZCI6IjEiLCJ1c2VybmFtZSI6ImIifX19"
            },
            "1",
        ),
        (
            authentication("trusted-proxy", trusted_proxy_config=TrustedProxyConfig("X-User", ("127.0.0.1",))),
            {"X-User": "bob"},
            "bob",
        ),
    ],
    ids=lambda value: value.module if isinstance(value, Authentication) else "",
)
def test_each_module_is_made(config: Authentication, headers: dict[str, str], user_id: str) -> None:
    made = auth.create(config, Authorization(()))
    assert made.authenticate(headers, {}, "127.0.0.1").id == user_id


def test_the_module_for_signed_tokens_asks_nobody_before_the_first_token() -> None:
    names = JwtConfiguration("user_id", "username", ())
    config = authentication("jwk-token", jwk_config=JwkConfig("http://127.0.0.1:9/keys", None, 5.0, names))
    made = auth.create(config, Authorization(()))
    with pytest.raises(errors.NotAuthenticated, match="Token could not be decoded"):
        made.authenticate({"Authorization": "Bearer x"}, {}, None)


@pytest.mark.parametrize("module", ["api-key-token", "jwk-token", "rh-identity", "trusted-proxy", "nothing"])
def test_no_module_falls_back_to_letting_everyone_in(module: str) -> None:
    with pytest.raises(ConfigError, match="has no configuration"):
        auth.create(authentication(module), Authorization(()))

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightspeed_stack import errors
from lightspeed_stack.access import JwkConfig, JwtConfiguration, RoleRule
from lightspeed_stack.auth import User
from lightspeed_stack.auth.jwk import JwkTokens
from tests.fakes.key_server import KeyServer, Signer

RSA, EC, ED = Signer("RS256", "rsa"), Signer("ES256", "ec"), Signer("EdDSA", "ed")
STRANGER = Signer("RS256", "rsa")
CLAIMS: dict[str, Any] = {"user_id": "u1", "username": "Bob", "realm": {"roles": ["operator", "reader"]}}
RULE = RoleRule("$.realm.roles[*]", "contains", "operator", False, ("operator", "feedback"))


def config(url: str, **claims: str) -> JwkConfig:
    names = JwtConfiguration(claims.get("user_id", "user_id"), claims.get("username", "username"), (RULE,))
    return JwkConfig(url, None, 5.0, names)


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    with KeyServer(RSA, EC, ED) as running:
        yield running


@pytest.fixture(scope="module")
def tokens(server: KeyServer) -> JwkTokens:
    return JwkTokens(config(server.url))


def ask(tokens: JwkTokens, token: str) -> User:
    return tokens.authenticate({"Authorization": f"Bearer {token}"}, {"user_id": "mallory"}, "127.0.0.1")


def cause(tokens: JwkTokens, token: str) -> str:
    with pytest.raises(errors.NotAuthenticated) as caught:
        ask(tokens, token)
    assert caught.value.status == 401
    assert caught.value.response == "Missing or invalid credentials provided by client"
    return caught.value.cause


def forged(header: Mapping[str, object], payload: object, secret: bytes | None = None) -> str:
    """A token with any header; signed by HMAC-SHA256, or with the signature "x"."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload)]
    signed = b".".join(parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret is not None else b"x"
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.parametrize("signer", [RSA, EC, ED], ids=lambda signer: signer.algorithm)
def test_a_good_token(tokens: JwkTokens, signer: Signer) -> None:
    token = signer.sign({**CLAIMS, "exp": time.time() + 60, "nbf": time.time() - 1, "aud": "x", "iss": "y", "sub": 5})
    user = ask(tokens, token)
    assert (user.id, user.name, user.token, user.skip_userid_check) == ("u1", "Bob", token, False)
    assert user.roles == {"operator", "feedback"}
    assert token not in repr(user)


def test_a_token_without_a_key_id(tokens: JwkTokens) -> None:
    assert ask(tokens, EC.sign(CLAIMS, kid=None)).id == "u1"


def test_other_claims_may_name_the_user(server: KeyServer) -> None:
    tokens = JwkTokens(config(server.url, user_id="sub", username="email"))
    user = ask(tokens, RSA.sign({"sub": "s1", "email": "bob@example.com"}))
    assert (user.id, user.name, user.roles) == ("s1", "bob@example.com", frozenset())


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": 1}, "Token has expired"),
        ({"exp": "soon"}, "Token could not be decoded"),
        ({"exp": float("inf")}, "Token could not be decoded"),
        ({"nbf": 9_999_999_999}, "Token validation failed"),
        ({"user_id": None}, "Token has invalid claim: user_id"),
        ({"user_id": ""}, "Token has invalid claim: user_id"),
        ({"user_id": ["u1"]}, "Token has invalid claim: user_id"),
        ({"user_id": "a\x00"}, "Token has invalid claim: user_id"),
        ({"user_id": "\ud800"}, "Token has invalid claim: user_id"),
        ({"username": "x" * 257}, "Token has invalid claim: username"),
    ],
)
def test_a_good_signature_is_not_enough(tokens: JwkTokens, claims: dict[str, object], says: str) -> None:
    assert cause(tokens, RSA.sign({**CLAIMS, **claims})) == says


@pytest.mark.parametrize("missing", ["user_id", "username"])
def test_a_missing_claim_is_named(tokens: JwkTokens, missing: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != missing}
    assert cause(tokens, RSA.sign(claims)) == f"Token missing claim: {missing}"


def test_a_signature_of_somebody_else(tokens: JwkTokens) -> None:
    assert cause(tokens, STRANGER.sign(CLAIMS)) == "Invalid token signature"


def test_a_changed_payload(tokens: JwkTokens) -> None:
    header, _, signature = RSA.sign(CLAIMS).split(".")
    other = RSA.sign({**CLAIMS, "user_id": "root"}).split(".")[1]
    assert cause(tokens, f"{header}.{other}.{signature}") == "Invalid token signature"


@pytest.mark.parametrize("header", [{"kid": "nobody"}, {"kid": "ec"}])
def test_an_unknown_key_or_one_of_another_algorithm(tokens: JwkTokens, header: dict[str, str]) -> None:
    assert cause(tokens, RSA.sign(CLAIMS, **header)) == "Token signed by unknown key"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("kid", ["rsa", None])
def test_no_token_goes_unsigned(tokens: JwkTokens, algorithm: str, kid: str | None) -> None:
    header = {"alg": algorithm, "typ": "JWT", **({"kid": kid} if kid else {})}
    assert cause(tokens, forged(header, CLAIMS)) == "Token signed by unknown key"
    assert cause(tokens, forged(header, CLAIMS).rpartition(".")[0] + ".") == "Token signed by unknown key"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_shared_secret(tokens: JwkTokens, algorithm: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = RSA.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for kid in ({"kid": "rsa"}, {}):
        assert cause(tokens, forged({"alg": algorithm, **kid}, CLAIMS, pem)) == "Token signed by unknown key"


@pytest.mark.parametrize(
    "header", [{"jwk": RSA.public}, {"jku": "http://127.0.0.1:9/"}, {"x5u": "http://127.0.0.1:9/"}]
)
def test_a_token_never_brings_its_own_key(tokens: JwkTokens, header: dict[str, object]) -> None:
    assert cause(tokens, STRANGER.sign(CLAIMS, **header)) == "Invalid token signature"


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("x", "Token could not be decoded"),
        ("a.b.c", "Token could not be decoded"),
        ("..", "Token could not be decoded"),
        ("a.b.c.d.e", "Token could not be decoded"),
        ("e30.e30.", "Token signed by unknown key"),
        (forged({"alg": "RS256", "kid": 5}, CLAIMS), "Token format error"),
        (forged({"alg": ["RS256"], "kid": "rsa"}, CLAIMS), "Token signed by unknown key"),
        (forged({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}, CLAIMS), "Token format error"),
        ("a" * 20_000, "Token could not be decoded"),
        (base64.urlsafe_b64encode(b"[" * 9000).decode() + ".e30.x", "Token could not be decoded"),
        ("\u00e9.\u00e9.\u00e9", "Token could not be decoded"),
    ],
)
def test_a_token_that_is_none(tokens: JwkTokens, token: str, says: str) -> None:
    assert cause(tokens, token) in (says, "Unknown token error")


def test_a_signed_payload_that_is_no_object(tokens: JwkTokens) -> None:
    import jwt

    token = jwt.PyJWS().encode(b"[1]", RSA.private, "RS256", headers={"kid": "rsa"})
    assert cause(tokens, token) == "Token could not be decoded"


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc"])
def test_no_token(tokens: JwkTokens, header: str) -> None:
    with pytest.raises(errors.NotAuthenticated, match="Authorization header"):
        tokens.authenticate({"Authorization": header}, {}, None)


def test_a_key_server_that_is_down() -> None:
    with KeyServer(RSA) as server:
        server.status = 502
        assert cause(JwkTokens(config(server.url)), RSA.sign(CLAIMS)) == "Unable to reach authentication key server"


def test_rubbish_never_reaches_the_key_server() -> None:
    with KeyServer(RSA) as server:
        tokens = JwkTokens(config(server.url))
        for token in ("x", "a.b.c", "a" * 20_000):
            cause(tokens, token)
        assert server.count == 0


@given(st.text(st.characters(max_codepoint=255), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_header_is_refused_in_order(tokens: JwkTokens, text: str) -> None:
    for header in (text, f"Bearer {text}", f"Bearer {RSA.sign(CLAIMS)[:40]}{text}"):
        with pytest.raises(errors.NotAuthenticated):
            tokens.authenticate({"Authorization": header}, {}, None)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.sampled_from(["RS256", "rsa", "none", "ES256", ""]),
            st.lists(st.text(max_size=3), max_size=2),
        ),
        max_size=5,
    )
)
def test_any_forged_header_is_refused(tokens: JwkTokens, header: dict[str, object]) -> None:
    cause(tokens, forged(header, CLAIMS))

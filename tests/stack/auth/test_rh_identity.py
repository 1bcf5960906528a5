from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import errors
from lightspeed_stack.access import RhIdentityConfig
from lightspeed_stack.auth import User
from lightspeed_stack.auth.rh_identity import RhIdentity
from tests.fakes.application import application

PLAIN = RhIdentity(RhIdentityConfig((), 8192))
STRICT = RhIdentity(RhIdentityConfig(("rhel", "ansible"), 8192))
USER = {"type": "User", "org_id": "321", "user": {"user_id": "u1", "username": "bob@example.com"}}


def header(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def ask(document: object, module: RhIdentity = PLAIN) -> User:
    return module.authenticate({"x-rh-identity": header(document)}, {}, None)


def refused(headers: dict[str, str], module: RhIdentity = PLAIN) -> tuple[int, object]:
    with pytest.raises(errors.Plain) as caught:
        module.authenticate(headers, {}, None)
    return caught.value.status, caught.value.body()["detail"]


@pytest.mark.parametrize(
    ("identity", "user_id", "name"),
    [
        (USER, "u1", "bob@example.com"),
        ({"type": "User", "user": {"user_id": "u1", "username": "Bob"}}, "u1", "Bob"),
        ({"type": "User", "org_id": "", "user": {"user_id": "u1", "username": "Bob"}}, "u1", "Bob"),
        (
            {"type": "ServiceAccount", "service_account": {"client_id": "c1", "username": "service-account-c1"}},
            "service-account:c1",
            "service-account-c1",
        ),
        ({"type": "System", "org_id": "321", "account_number": "42", "system": {"cn": "cn1"}}, "system:cn1", "42"),
        ({"type": "System", "org_id": "321", "system": {"cn": "cn1"}}, "system:cn1", "cn1"),
    ],
)
def test_an_identity(identity: dict[str, object], user_id: str, name: str) -> None:
    user = ask({"identity": identity})
    assert (user.id, user.name, user.token, user.skip_userid_check) == (user_id, name, "", False)


def test_nobody_is_taken_for_another_of_the_same_id(tmp_path: Path) -> None:
    """Each asks in a conversation of its own and sees no other's."""
    ids = ("1", "system:1", "service-account:1", "user:system:1")
    users = [{"type": "User", "user": {"user_id": one, "username": "n"}} for one in ids]
    account = {"type": "ServiceAccount", "service_account": {"client_id": "1", "username": "n"}}
    system = {"type": "System", "org_id": "1", "system": {"cn": "1"}}
    everybody = [{"x-rh-identity": header({"identity": identity})} for identity in (*users, account, system)]
    authentication = {"module": "rh-identity", "rh_identity_config": {}}
    client = application(tmp_path, {"authentication": authentication}).test_client()
    asked = [client.post("/v1/query", json={"query": "?"}, headers=one).json for one in everybody]
    seen = [client.get("/v1/conversations", headers=one).json["conversations"] for one in everybody]
    assert [[one["conversation_id"] for one in theirs] for theirs in seen] == [
        [own["conversation_id"]] for own in asked
    ]
    path = f"/v1/conversations/{asked[0]['conversation_id']}"
    assert [client.get(path, headers=one).status_code for one in everybody] == [200] + 5 * [403]


@pytest.mark.parametrize("headers", [{}, {"x-rh-identity": ""}])
def test_no_header(headers: dict[str, str]) -> None:
    assert refused(headers) == (401, "Missing x-rh-identity header")


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("!!!", "Invalid base64 encoding in x-rh-identity header"),
        ("YWJj\u00e9", "Invalid base64 encoding in x-rh-identity header"),
        (base64.b64encode(b"\xff\xfe").decode(), "Invalid base64 encoding in x-rh-identity header"),
        (base64.b64encode(b"{").decode(), "Invalid JSON in x-rh-identity header"),
        (base64.b64encode(b"[" * 5000).decode(), "Invalid JSON in x-rh-identity header"),
        (header(USER) + "A" * 8192, "x-rh-identity header exceeds maximum allowed size"),
    ],
)
def test_a_header_that_cannot_be_read(value: str, detail: str) -> None:
    assert refused({"x-rh-identity": value}) == (400, detail)


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        {},
        {"identity": None},
        {"identity": "User"},
        {"identity": {"user": USER["user"]}},
        {"identity": {**USER, "type": "Robot"}},
        {"identity": {**USER, "type": ["User"]}},
        {"identity": {**USER, "user": None}},
        {"identity": {**USER, "user": {"user_id": "u1"}}},
        {"identity": {**USER, "user": {"username": "bob"}}},
        {"identity": {**USER, "user": {"user_id": 5, "username": "bob"}}},
        {"identity": {**USER, "user": {"user_id": "  ", "username": "bob"}}},
        {"identity": {**USER, "user": {"user_id": "u" * 257, "username": "bob"}}},
        {"identity": {**USER, "user": {"user_id": "u\n", "username": "bob"}}},
        {"identity": {**USER, "user": {"user_id": "u1", "username": "bob\x7f"}}},
        {"identity": {**USER, "user": {"user_id": "\ud800", "username": "bob"}}},
        {"identity": {**USER, "org_id": 5}},
        {"identity": {**USER, "org_id": "5\n"}},
        {"identity": {"type": "System", "system": {"cn": "cn1"}}},
        {"identity": {"type": "System", "org_id": "", "system": {"cn": ""}}},
        {"identity": {"type": "System", "org_id": "1", "system": []}},
        {"identity": {"type": "System", "org_id": "1", "account_number": 5, "system": {"cn": "cn1"}}},
    ],
)
def test_an_identity_that_names_nobody(document: object) -> None:
    assert refused({"x-rh-identity": header(document)}) == (400, "Invalid identity data")


def entitled(**services: object) -> dict[str, object]:
    return {"identity": USER, "entitlements": {name: {"is_entitled": value} for name, value in services.items()}}


def test_every_entitlement_is_needed() -> None:
    assert ask(entitled(rhel=True, ansible=True, other=False), STRICT).id == "u1"


@pytest.mark.parametrize(
    "document",
    [
        entitled(rhel=True),
        entitled(rhel=True, ansible=False),
        entitled(rhel=True, ansible="true"),
        {"identity": USER},
        {"identity": USER, "entitlements": None},
        {"identity": USER, "entitlements": ["rhel", "ansible"]},
        {"identity": USER, "entitlements": {"rhel": True, "ansible": True}},
    ],
)
def test_a_missing_entitlement(document: object) -> None:
    assert refused({"x-rh-identity": header(document)}, STRICT) == (403, "Insufficient entitlements")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(), max_size=4)
    | st.sampled_from(["User", "System"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["identity", "type", "user", "user_id", "username", "system", "cn", "org_id", "entitlements"]
            ),
            inner,
            max_size=5,
        )
    ),
)


@given(
    JSON | JSON.map(lambda value: {"identity": value}) | JSON.map(lambda value: {"identity": {**USER, "user": value}})
)
def test_any_document_names_a_user_or_is_refused(document: object) -> None:
    try:
        user = ask(document)
    except errors.Plain as error:
        status = error.status
    else:
        status = 200 if 0 < len(user.id) <= 256 else 0
    assert status in (200, 400)


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_is_refused(value: str) -> None:
    assert refused({"x-rh-identity": value})[0] in (400, 401)

"""The x-rh-identity header, over HTTP."""

import pytest
import requests

from tests.fakes.archives import batch, identity, upload
from tests.fakes.reference_ingress import Ingress

TOKEN = {"Authorization": "Bearer new-secret"}


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, "missing x-rh-identity header"),
        ({"x-rh-identity": "%%%"}, "unable to b64 decode x-rh-identity header"),
        ({"x-rh-identity": "bm90IGpzb24="}, "x-rh-identity header does not contain valid JSON: "),
        ({"x-rh-identity": "W10="}, "x-rh-identity header has an invalid or missing org_id"),
        (identity(type="User"), "x-rh-identity header has an invalid or missing org_id"),
        (identity(type="User", org_id=7), "x-rh-identity header has an invalid or missing org_id"),
        (identity(type="X509", account_number="1"), "x-rh-identity header has an invalid or missing org_id"),
        (identity(org_id="1"), "x-rh-identity header is missing type"),
    ],
)
def test_each_fault_has_its_text(guarded: Ingress, headers: dict[str, str], text: str) -> None:
    name, body = batch()
    answer = upload(guarded.url, body, name, 2, headers={**TOKEN, **headers})
    assert answer.status_code == 400
    assert answer.text.startswith(f"Bad Request: {text}")
    assert answer.text.endswith("\n")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"type": "User", "org_id": "12"}, {"org_id": "12"}),
        (
            {"type": "System", "internal": {"org_id": "12"}, "account_number": "9"},
            {"account_number": "9", "org_id": "12"},
        ),
        ({"type": "Associate"}, {}),
        ({"type": "X509"}, {}),
    ],
)
def test_a_right_one_is_told(guarded: Ingress, fields: dict[str, object], told: dict[str, str]) -> None:
    name, body = batch()
    answer = upload(guarded.url, body, name, 2, headers={**TOKEN, **identity(**fields)})
    assert answer.status_code == 202
    assert answer.json()["upload"] == told
    assert guarded.told()[-1]["org_id"] == told.get("org_id", "")


def test_health_under_the_prefix_needs_one(guarded: Ingress) -> None:
    assert requests.get(guarded.base + "/api/ingress/v1/", timeout=30).status_code == 400
    assert requests.get(guarded.base + "/", timeout=30).status_code == 200


def test_one_that_is_not_required_must_be_right_nonetheless(ingress: Ingress) -> None:
    name, body = batch()
    assert upload(ingress.url, body, name, 2, headers={"x-rh-identity": "%%%"}).status_code == 400

"""The rules of the upload contract, as values."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector.ingress import contract
from lightspeed_collector.ingress.contract import Kind, Rules

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("services", "content_type", "kind"),
    [
        ((), "application/vnd.redhat.any.thing+tar", Kind("any", "thing")),
        (("ols",), "application/vnd.redhat.ols.periodic+tar", Kind("ols", "periodic")),
        (("ols",), "application/vnd.redhat.any.thing+tar", None),
        (("ols",), "application/gzip", None),
        (("advisor",), "application/gzip", Kind("advisor", "upload")),
        ((), "application/vnd.redhat..thing", None),
        ((), "text/plain", None),
    ],
)
def test_which_types_are_taken(services: tuple[str, ...], content_type: str, kind: Kind | None) -> None:
    assert Rules(10, frozenset(services), False).kind(content_type) == kind


def test_the_limit_is_inclusive() -> None:
    rules = Rules(10, frozenset(), False)
    assert rules.size_fault(10) is None
    assert rules.size_fault(11) == "File exceeds maximum file size (10) for upload: 11"


@given(st.text())
def test_any_request_id_becomes_a_printable_one(sent: str) -> None:
    assert re.fullmatch(r"[!-~]{1,200}", contract.request_id(sent))


def test_a_new_request_id_each_time() -> None:
    assert uuid.UUID(contract.request_id(None)) != uuid.UUID(contract.request_id(None))


@pytest.mark.parametrize(
    ("custom", "claimed"),
    [
        ({"batch_id": "b", "sha256": DIGEST, "records": "2"}, contract.Claim("b", DIGEST, "2")),
        ({"batch_id": "b", "sha256": DIGEST}, contract.Claim("b", DIGEST, None)),
        ({"batch_id": "b", "sha256": DIGEST, "records": 2}, contract.Claim("b", DIGEST, "2")),
        ({"batch_id": "", "sha256": DIGEST}, None),
        ({"batch_id": 3, "sha256": DIGEST}, None),
        ({"batch_id": "b"}, None),
        ({"sha256": DIGEST}, None),
        ([], None),
        (None, None),
    ],
)
def test_whose_archive_it_is(custom: object, claimed: contract.Claim | None) -> None:
    assert contract.claim({"custom_metadata": custom}) == claimed


def test_no_metadata_is_no_claim() -> None:
    assert contract.claim(None) is None
    assert contract.claim({}) is None


def test_a_claim_is_held_against_the_archive() -> None:
    assert contract.Claim("b", DIGEST.upper(), "2").fault(DIGEST, 2) is None
    assert contract.Claim("b", DIGEST, None).fault(DIGEST, 7) is None
    assert "sha256" in (contract.Claim("b", "0", "2").fault(DIGEST, 2) or "")
    assert "3 records" in (contract.Claim("b", DIGEST, "2").fault(DIGEST, 3) or "")


@given(st.text(), st.text())
def test_file_names_are_plain_and_tell_batches_apart(one: str, other: str) -> None:
    names = contract.names(one, DIGEST)
    assert all(re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_=-]*(\.[0-9a-f]{16})?\.tar\.gz", name) for name in names)
    assert len(names[1]) <= 128
    assert (one == other) == (names[0] == contract.names(other, DIGEST)[0])


def test_a_uuid_and_a_digest_stand_as_they_are() -> None:
    for batch_id in (str(uuid.uuid4()), DIGEST):
        assert contract.stem(batch_id) == batch_id

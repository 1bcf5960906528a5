"""What is told of a payload."""

from datetime import UTC, datetime

from lightspeed_collector.ingress import notice
from lightspeed_collector.ingress.contract import Claim, Kind
from lightspeed_collector.ingress.identity import Identity
from lightspeed_collector.ingress.notice import Arrival

DIGEST = "ab" * 32
NOW = datetime(2025, 8, 4, 16, 59, 52, tzinfo=UTC)


def arrival(claim: Claim | None) -> Arrival:
    return Arrival("r-1", Identity("9", "12"), "application/x", Kind("ols", "periodic"), None, claim, 5, DIGEST, None)


def test_a_batch_goes_by_the_id_that_it_claims_and_anything_else_by_its_request() -> None:
    assert arrival(Claim("b-1", DIGEST, None)).batch_id == "b-1"
    assert arrival(None).batch_id == "r-1"


def test_the_keys_of_a_notification() -> None:
    assert notice.notification(arrival(None), NOW) == {
        "time": "2025-08-04T16:59:52+00:00",
        "request_id": "r-1",
        "batch_id": "r-1",
        "service": "ols",
        "category": "periodic",
        "content_type": "application/x",
        "size": 5,
        "sha256": DIGEST,
        "records": None,
        "account": "9",
        "org_id": "12",
        "metadata": None,
    }


def test_labels_are_printable_whatever_the_id() -> None:
    labels = notice.labels(arrival(Claim("\u00fc" * 500, DIGEST, None)))
    assert all(value.isascii() and value.isprintable() and len(value) < 200 for value in labels.values())

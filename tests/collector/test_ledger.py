"""The ledger and what stands in the same file, each opened anew after every step as after a crash."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightspeed_collector.batch import Batch, Identity
from lightspeed_collector.database import Database
from lightspeed_collector.ledger import Ledger, Receipt, identity, identity_text
from lightspeed_collector.retention import Entry

ONE = Batch("one", "1" * 64, 10, ("transcripts/a", "feedback/b"), (Identity(2**63, 3, -4), Identity(6, 7, 8)))
TWO = Batch("two", "2" * 64, 20, ("transcripts/c",), (Identity(2, 3, 4),))

URL = "https://ingress.example/"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@contextmanager
def opened(path: Path) -> Iterator[Ledger]:
    database = Database(path)
    try:
        yield Ledger(database)
    finally:
        database.close()


def test_claims_come_back_as_they_were_and_in_order(path: Path) -> None:
    with opened(path) as ledger:
        ledger.claim(TWO, 2.0)
        ledger.claim(ONE, 1.0)
    with opened(path) as ledger:
        assert ledger.claimed() == [ONE, TWO]
        assert ledger.accepted() == []


def test_batch_goes_from_claim_over_receipt_to_done(path: Path) -> None:
    with opened(path) as ledger:
        ledger.claim(ONE, 1.0)
    with opened(path) as ledger:
        ledger.receipt(ONE, Receipt(202, "r-1", 2.0))
    with opened(path) as ledger:
        assert (ledger.claimed(), ledger.accepted()) == ([], [ONE])
        ledger.finish(ONE, [], 3.0)
    with opened(path) as ledger:
        assert (ledger.claimed(), ledger.accepted()) == ([], [])


def test_released_claim_is_forgotten(path: Path) -> None:
    with opened(path) as ledger:
        ledger.claim(ONE, 1.0)
        ledger.release(ONE)
        assert ledger.claimed() == []


def test_accepted_batch_can_not_be_released(path: Path) -> None:
    with opened(path) as ledger:
        ledger.claim(ONE, 1.0)
        ledger.receipt(ONE, Receipt(202, "r-1", 2.0))
        ledger.release(ONE)
        assert ledger.accepted() == [ONE]


def test_same_bytes_can_be_claimed_again_after_they_were_done(path: Path) -> None:
    """Somebody put the records back from a backup."""
    with opened(path) as ledger:
        ledger.claim(ONE, 1.0)
        ledger.receipt(ONE, Receipt(202, "r-1", 2.0))
        ledger.finish(ONE, [], 3.0)
        ledger.claim(ONE, 4.0)
        assert ledger.claimed() == [ONE]


def test_hold_lasts_as_long_as_was_asked(path: Path) -> None:
    with opened(path) as ledger:
        assert ledger.held_until(50.0, URL) is None
        ledger.hold(100.0, 160.0, URL)
    with opened(path) as ledger:
        assert ledger.held_until(159.0, URL) == 160.0
        assert ledger.held_until(160.0, URL) is None
        ledger.hold(200.0, 201.0, URL)
        assert ledger.held_until(200.5, URL) == 201.0


def test_hold_is_that_of_one_ingress(path: Path) -> None:
    with opened(path) as ledger:
        ledger.hold(100.0, 160.0, URL)
        assert ledger.held_until(150.0, "https://other.example/") is None


def test_clock_set_back_ends_a_hold(path: Path) -> None:
    with opened(path) as ledger:
        ledger.hold(100.0, 160.0, URL)
        assert ledger.held_until(99.0, URL) is None


def test_remaining_records_are_remembered_as_sent(path: Path) -> None:
    with opened(path) as ledger:
        ledger.claim(TWO, 1.0)
        ledger.receipt(TWO, Receipt(202, "r-1", 2.0))
        ledger.finish(TWO, [Entry(TWO.members[0], TWO.identities[0])], 3.0)
    database = Database(path)
    assert database.query("SELECT storage, name, identity FROM sent") == [("transcripts", "c", "2 3 4")]
    database.close()


def test_inode_of_64_bits_survives_among_the_sent(path: Path) -> None:
    with opened(path) as ledger:
        ledger.claim(ONE, 1.0)
        ledger.receipt(ONE, Receipt(202, "r-1", 2.0))
        ledger.finish(
            ONE, [Entry(member, identity) for member, identity in zip(ONE.members, ONE.identities, strict=True)], 3.0
        )


def test_device_of_an_older_text_is_ignored() -> None:
    """Devices have other numbers after a restart, and records are the same."""
    text = identity_text(Identity(2**64 - 1, 3, -4))
    assert identity(text) == identity(f"2049 {text}") == Identity(2**64 - 1, 3, -4)

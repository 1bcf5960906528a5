"""Whether a question's conversation came to be known, when its opening is over, and when it is not."""

from __future__ import annotations

import dataclasses
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lightspeed_stack import parts
from lightspeed_stack.asked import Asked
from lightspeed_stack.auth import User
from lightspeed_stack.parse import Query
from tests.fakes.application import configuration, provider
from tests.fakes.provider import FakeProvider

FOREVER = 600


@pytest.fixture
def opening() -> Future[bool]:
    """It waits for its turn."""
    return Future()


@pytest.fixture
def asked(tmp_path: Path, fake: FakeProvider, opening: Future[bool]) -> Asked:
    settings = configuration(tmp_path, provider(fake.url))
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    interactions = parts.assemble(settings, tmp_path / "run").interactions
    query = Query("hi", None, None, None, None, (), None, True)
    return dataclasses.replace(interactions.begin(User("alice", "Alice"), query, datetime.now(UTC)), opening=opening)


@pytest.mark.parametrize("worked", [True, False])
def test_one_that_has_ended_tells(asked: Asked, opening: Future[bool], worked: bool) -> None:
    opening.set_running_or_notify_cancel()
    opening.set_result(worked)
    settled = asked.settled(FOREVER)
    assert (settled.opening, settled.continues) == (None, worked)


def test_one_that_failed_unforeseen_came_to_nothing(asked: Asked, opening: Future[bool]) -> None:
    opening.set_running_or_notify_cancel()
    opening.set_exception(RuntimeError())
    settled = asked.settled(FOREVER)
    assert (settled.opening, settled.continues) == (None, False)


def test_one_that_has_not_begun_never_does(asked: Asked, opening: Future[bool]) -> None:
    settled = asked.settled(FOREVER)
    assert (settled.opening, settled.continues) == (None, False)
    assert not opening.set_running_or_notify_cancel()


def test_one_that_does_not_end_is_not_waited_for_for_ever(asked: Asked, opening: Future[bool]) -> None:
    opening.set_running_or_notify_cancel()
    assert asked.settled(0.01) is asked


def test_without_one_nothing_changes(asked: Asked) -> None:
    alone = dataclasses.replace(asked, opening=None)
    assert alone.settled(FOREVER) is alone

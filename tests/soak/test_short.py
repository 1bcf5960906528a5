"""Some seconds of the soak (`make soak` is 20 minutes of it): everything at once, killed at random, then the audit."""

from __future__ import annotations

from pathlib import Path

from tests.soak.audit import audit
from tests.soak.soak import Plan, soak


def test_everything_at_once_loses_and_repeats_nothing(tmp_path: Path) -> None:
    plan = Plan(tmp_path, seconds=10, seed="short", pause=1, every=1, faults=0.5, peace=False)
    found = soak(plan)
    table = audit(found)
    assert table.passed, f"\n{table}"
    assert found.writers.acknowledged
    assert found.user.acknowledged
    assert found.journal
    assert all(actor.kills for actor in (found.writers, found.stack, found.ingress))

"""docs/reliability.md names tests that exist, and helps with every alert."""

from __future__ import annotations

import re

import yaml

from tests.fakes.daemon import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_it_names_tests_that_exist() -> None:
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    named = set(re.findall(r"\btest_\w+\.py", TEXT))
    assert named
    assert named <= there
    paths = re.findall(r"`(tests/[\w/.]+)`", TEXT)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_it_helps_with_the_alerts_there_are() -> None:
    groups = yaml.safe_load((ROOT / "etc" / "monitoring" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    assert re.findall(r"^### (\w+)$", TEXT, re.MULTILINE) == alerts

"""The message catalog explains every event of the code, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lightspeed_collector import events as collector
from lightspeed_stack import alerts
from lightspeed_stack.daemon import events as daemon

ROOT = Path(__file__).parents[1]
CATALOG = (ROOT / "systemd/catalog/lightspeed.catalog").read_text()
EVENTS = {
    value: f"{module.__name__}.{name}"
    for module in (alerts, collector, daemon)
    for name, value in vars(module).items()
    if name.isupper()
}


def entries() -> dict[str, str]:
    parts = re.split(r"(?m)^-- ([0-9a-f]{32})$", CATALOG)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_each_event_has_an_entry() -> None:
    assert {EVENTS[missing] for missing in EVENTS.keys() - entries().keys()} == set()
    assert entries().keys() - EVENTS.keys() == set()


def test_no_id_stands_for_two_events() -> None:
    names = [name for module in (alerts, collector, daemon) for name in vars(module) if name.isupper()]
    assert len(EVENTS) == len(names)


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_each_event_is_logged_somewhere(event: str) -> None:
    module, name = EVENTS[event].rsplit(".", 1)
    words = f"{module.rsplit('.', 1)[1]}.{name}"
    package = ROOT / module.split(".", 1)[0]
    assert any(words in source.read_text() for source in package.rglob("*.py")), words


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_each_entry_says_what_and_where_to_read_on(event: str) -> None:
    head, _, text = entries()[event].strip().partition("\n\n")
    assert re.search(r"^Subject: \S", head, re.MULTILINE)
    assert re.search(r"^Documentation: man:lightspeed-", head, re.MULTILINE)
    assert len(text) > 40

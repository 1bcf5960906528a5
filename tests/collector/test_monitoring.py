"""The alert rules and the dashboard speak only of metrics that the collector writes."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.fakes.daemon import ROOT
from tests.fakes.site import Site

FOLDER = ROOT / "etc/monitoring"
RULES = FOLDER / "lightspeed-collector.rules.yaml"
DASHBOARD = FOLDER / "lightspeed-collector.dashboard.json"


@pytest.fixture
def written(site: Site, tmp_path: Path) -> set[str]:
    site.configure(metrics_textfile=str(tmp_path / "m.prom"))
    site.run()
    return set(re.findall(r"^(lightspeed_\w+)", (tmp_path / "m.prom").read_text(), re.MULTILINE))


def expressions() -> dict[str, str]:
    rules = {
        rule["alert"]: rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    }
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return rules | {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel["targets"]
    }


def test_every_metric_that_is_named_exists(written: set[str]) -> None:
    for where, expression in expressions().items():
        named = set(re.findall(r"lightspeed_\w+", expression))
        assert named, where
        assert named <= written, where


def test_every_metric_that_exists_is_shown_or_documented(written: set[str]) -> None:
    named = {name for expression in expressions().values() for name in re.findall(r"lightspeed_\w+", expression)}
    assert written - named <= {
        "lightspeed_collector_batches_sent_total",
        "lightspeed_collector_spool_kept_records",
        "lightspeed_collector_spool_strangers",
    }


def test_what_is_to_be_watched_has_an_alert() -> None:
    alerts = " ".join(expressions())
    for word in ("DeliversNothing", "QuarantineNotEmpty", "SpoolNearlyFull", "RecordsDropped", "IsRefused"):
        assert word in alerts

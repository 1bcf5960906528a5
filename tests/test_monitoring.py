"""The dashboard and the alert rules speak of metrics and labels that both programs really show, and lead to help."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.application import provider
from tests.fakes.daemon import ROOT, Stack, merged
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.provider import FakeProvider
from tests.fakes.site import Site

MONITORING = ROOT / "etc" / "monitoring"
RULES = [
    rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
PROMETHEUS_OWN = {"instance", "job"}
METRIC = re.compile(r"\b(?:ls|lightspeed_collector)_[a-z_]+\b")
MATCHERS = re.compile(r"\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring) ?\(([^)]*)\)")
SHOWN = re.compile(r"\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}")

Labels = dict[str, set[str]]


def shown(text: str) -> Labels:
    """The labels of each sample, by its name."""
    found: Labels = defaultdict(set)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return found


def of_the_stack(folder: Path) -> Labels:
    """After questions answered and not, streamed, and records stored and not."""
    with FakeProvider() as fake:
        overrides = {"inference": {"default_provider": "openai", "default_model": "ok"}}
        with Stack(folder, merged(provider(fake.url, models=["ok", "status-500"]), overrides)) as stack:
            identity = post(stack, "query", query="Hello").json()["conversation_id"]
            post(stack, "streaming_query", query="Hello")
            assert post(stack, "query", query="Hello", provider="openai", model="status-500").status_code >= 500
            opinion = {"conversation_id": identity, "user_question": "?", "llm_response": "!", "sentiment": 1}
            assert post(stack, "feedback", **opinion).status_code == 200
            shutil.rmtree(stack.feedback)
            stack.feedback.touch()
            assert post(stack, "feedback", **opinion).status_code >= 500
            return shown(requests.get(f"{stack.url}/metrics", timeout=20).text)


def post(stack: Stack, path: str, **body: Any) -> requests.Response:
    return requests.post(f"{stack.url}/v1/{path}", json=body, timeout=20)


def of_the_collector(folder: Path) -> Labels:
    file = folder / "metrics.prom"
    with FaultyIngress() as ingress:
        site = Site(folder, ingress.url, metrics_textfile=str(file))
        site.put(2)
        assert site.run().status == 0
    return shown(file.read_text())


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    return of_the_stack(tmp_path_factory.mktemp("stack")) | of_the_collector(tmp_path_factory.mktemp("site"))


def panels() -> Iterator[dict[str, Any]]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def expressions() -> Iterator[tuple[str, str, str]]:
    """Where it stands, the expression, and the texts that show its labels."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for rule in RULES:
        texts = rule["annotations"]
        yield rule["alert"], rule["expr"], texts["summary"] + texts["description"]


def labels_named(expression: str) -> set[str]:
    in_braces = [part.split("=")[0].rstrip("!~ ") for text in MATCHERS.findall(expression) for part in text.split(",")]
    in_groups = [part.strip() for text in GROUPING.findall(expression) for part in text.split(",")]
    return {*in_braces, *in_groups}


EXPRESSIONS = list(expressions())


@pytest.mark.parametrize(("where", "expression", "texts"), EXPRESSIONS, ids=[where for where, _, _ in EXPRESSIONS])
def test_names_only_what_exists(metrics: Labels, where: str, expression: str, texts: str) -> None:
    names = METRIC.findall(expression)
    assert names
    assert not set(names) - set(metrics)
    labels = labels_named(expression) | set(SHOWN.findall(texts))
    assert labels <= set.union(*(metrics[name] for name in names)) | PROMETHEUS_OWN


def test_every_metric_of_the_collector_is_watched(metrics: Labels) -> None:
    watched = {name for _, expression, _ in EXPRESSIONS for name in METRIC.findall(expression)}
    others = {name for name in metrics if name.startswith("lightspeed_collector_")} - watched
    assert others == {"lightspeed_collector_spool_records", "lightspeed_collector_spool_kept_records"}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_alert_says_what_is_the_matter_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert all(rule["annotations"].values())
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    document, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor in anchors(ROOT / document)


def anchors(document: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_alerts_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


def test_dashboard_is_laid_out_without_overlaps() -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


_HOUR = "x60"
SITUATIONS: dict[str, list[tuple[str, str]]] = {
    "LightspeedCollectorSilent": [
        ("lightspeed_collector_last_run_timestamp_seconds", "0" + _HOUR),
        ("lightspeed_collector_interval_seconds", "600" + _HOUR),
    ],
    "LightspeedNothingSent": [
        ("lightspeed_collector_spool_oldest_timestamp_seconds", "1" + _HOUR),
        ("lightspeed_collector_last_success_timestamp_seconds", "0" + _HOUR),
        ("lightspeed_collector_interval_seconds", "600" + _HOUR),
    ],
    "LightspeedIngressRefuses": [("lightspeed_collector_last_run_status", "69" + _HOUR)],
    "LightspeedCollectorFails": [("lightspeed_collector_last_run_status", "74" + _HOUR)],
    "LightspeedQuarantineNotEmpty": [("lightspeed_collector_quarantine_records", "1" + _HOUR)],
    "LightspeedSpoolNearLimit": [
        ("lightspeed_collector_spool_bytes", "81" + _HOUR),
        ("lightspeed_collector_spool_max_bytes", "100" + _HOUR),
    ],
    "LightspeedRecordsDropped": [("lightspeed_collector_records_dropped_total", "0x50 3x10")],
    "LightspeedStrangersInSpool": [("lightspeed_collector_spool_strangers", "2x70")],
    "LightspeedDiskFull": [('ls_spool_failures_total{cause="full",kind="feedback"}', "_x55 1x5")],
    "LightspeedCannotStore": [('ls_spool_failures_total{cause="error",kind="feedback"}', "1x55 2x5")],
    "LightspeedSpoolOld": [('ls_spool_oldest_age_seconds{kind="feedback"}', "90000" + _HOUR)],
    "LightspeedDiskSlow": [
        ('ls_spool_put_seconds_bucket{kind="feedback",le="1"}', "0" + _HOUR),
        ('ls_spool_put_seconds_bucket{kind="feedback",le="2.5"}', "0+10" + _HOUR),
        ('ls_spool_put_seconds_bucket{kind="feedback",le="+Inf"}', "0+10" + _HOUR),
    ],
    "LightspeedProviderFailing": [
        ('ls_llm_calls_failures_total{provider="p",model="m"}', "0+3" + _HOUR),
        ('ls_llm_calls_total{provider="p",model="m"}', "0+10" + _HOUR),
    ],
    "LightspeedErrors": [
        ('ls_rest_api_calls_total{status_code="503"}', "0+1" + _HOUR),
        ('ls_rest_api_calls_total{status_code="200"}', "0+10" + _HOUR),
    ],
}


def test_each_alert_has_a_situation() -> None:
    assert set(SITUATIONS) == {rule["alert"] for rule in RULES}


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    return found or pytest.skip("needs promtool (Debian's package prometheus)")


def test_rules_are_valid(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", MONITORING / "alerts.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def fired(promtool: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What promtool shows of each alert in its situation."""
    return fires(promtool, tmp_path_factory.mktemp("rules"), SITUATIONS)


@pytest.mark.parametrize("alert", sorted(SITUATIONS))
def test_alert_fires(fired: str, alert: str) -> None:
    assert re.search(rf'got:\[\s*0:\s*\n?\s*Labels:\{{alertname="{alert}"', fired), fired


def test_alerts_are_silent_when_all_is_well(promtool: str, tmp_path: Path) -> None:
    calm = {
        alert: [(name, "1800+60x60" if "timestamp" in name else "0" + _HOUR) for name, _ in series]
        for alert, series in SITUATIONS.items()
    }
    assert fires(promtool, tmp_path, calm) == ""


def fires(promtool: str, folder: Path, situations: dict[str, list[tuple[str, str]]]) -> str:
    """What promtool says when it is told to expect nothing of any of these alerts: nothing, or what fired."""
    test = {
        "rule_files": [str(MONITORING / "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series],
                "alert_rule_test": [{"eval_time": "60m", "alertname": alert, "exp_alerts": []}],
            }
            for alert, series in situations.items()
        ],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(test))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr

"""What is shipped as an example is accepted by the programs that it is for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from lightspeed_collector import config as collector
from lightspeed_stack import config as stack
from lightspeed_stack.daemon.config import load

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "etc/examples"


@pytest.mark.parametrize("example", sorted((EXAMPLES / "conf.d").glob("*.yaml")), ids=lambda path: path.name)
def test_configuration_example(tmp_path: Path, example: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "lightspeed-stack.yaml").write_text("{}\n")
    shutil.copy(example, tmp_path / "conf.d")
    document = load(tmp_path / "lightspeed-stack.yaml", {})
    stack.read(document)
    collector.read(document)


def test_alerts_name_metrics_that_exist() -> None:
    rules = yaml.safe_load((EXAMPLES / "prometheus/lightspeed.rules.yaml").read_text())
    sources = "".join(
        path.read_text() for path in (ROOT / "lightspeed_stack/metrics.py", ROOT / "lightspeed_collector/textfile.py")
    )
    for rule in rules["groups"][0]["rules"]:
        for word in rule["expr"].replace("(", " ").replace("[", " ").replace(")", " ").split():
            if word.startswith(("ls_", "lightspeed_")):
                assert word.removeprefix("lightspeed_collector_") in sources, word


@pytest.mark.parametrize("example", sorted((EXAMPLES / "systemd").iterdir()), ids=lambda path: path.name)
def test_unit_example_says_where_it_belongs(example: Path) -> None:
    assert example.read_text().startswith("# /etc/systemd/system/")

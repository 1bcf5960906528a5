"""What is shipped as an example is accepted by the programs that it is for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("example", sorted((EXAMPLES / "systemd").iterdir()), ids=lambda path: path.name)
def test_unit_example_says_where_it_belongs(example: Path) -> None:
    assert example.read_text().startswith("# /etc/systemd/system/")

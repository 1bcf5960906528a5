"""The sample file, the documents and the schemas say the same."""

import json
import subprocess
import sys
from pathlib import Path

import lightspeed_collector.config
import lightspeed_stack.config
from lightspeed_stack.daemon.config import Document, load

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "etc/lightspeed-stack/lightspeed-stack.yaml"


def test_what_follows_from_the_schemas_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs/reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sample_file_holds_the_defaults_of_both_programs() -> None:
    sample, nothing = load(SAMPLE, {}), Document(SAMPLE, {}, {})
    assert lightspeed_stack.config.read(sample) == lightspeed_stack.config.read(nothing)
    assert lightspeed_collector.config.read(sample) == lightspeed_collector.config.read(nothing)


def test_both_schemas_agree_on_what_both_read() -> None:
    stack, collector = (
        json.loads((ROOT / package / "config.schema.json").read_text())["properties"]
        for package in ("lightspeed_stack", "lightspeed_collector")
    )
    ours = stack["user_data_collection"]["properties"]
    for key, rule in collector.items():
        if key != "data_collector" and "default" in rule:
            assert rule["default"] == ours[key]["default"], key
            assert rule["type"] == ours[key]["type"], key

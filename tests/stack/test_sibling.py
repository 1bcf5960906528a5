import os
import subprocess
import sys
from pathlib import Path

from lightspeed_stack import sibling
from tests.fakes.daemon import ROOT


def test_prefers_the_program_beside_this_interpreter() -> None:
    beside = Path(sys.executable).with_name("lightspeed-collector")
    expected = [str(beside)] if os.access(beside, os.X_OK) else [sys.executable, "-m", "lightspeed_collector"]
    assert sibling.find("lightspeed-collector") == expected


def test_falls_back_to_the_module() -> None:
    assert sibling.find("lightspeed-nowhere") == [sys.executable, "-m", "lightspeed_nowhere"]


def test_call_gives_the_exit_status() -> None:
    assert sibling.call("lightspeed-collector", ["--version"]) == 0
    assert sibling.call("lightspeed-collector", ["--unheard-of"]) == 64


def test_execute_becomes_the_program() -> None:
    program = (
        "from lightspeed_stack import sibling; sibling.execute('lightspeed-collector', ['--version']); print('never')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lightspeed-collector ")

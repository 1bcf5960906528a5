"""The command line itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lightspeed_collector import cli
from lightspeed_stack.daemon.version import VERSION
from tests.fakes.daemon import ROOT
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.site import Site

COMMANDS = ["run", "status", "history", "quarantine", "test-connection", "ingress", "unpack"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["run", "--interval", "0"],
        ["run", "--interval", "soon"],
        ["run", "--what"],
        ["history", "--limit", "0"],
        ["quarantine", "release"],
    ],
)
def test_wrong_command_line_is_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 64
    assert "usage: lightspeed-collector" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "--interval", "x"], "argument --interval: x: expected a number of seconds, more than 0"),
        (["run", "--interval", "nan"], "argument --interval: nan: expected a number of seconds, more than 0"),
        (["history", "--limit", "1.5"], "argument --limit: 1.5: expected a whole number, at least 1"),
        (["ingress", "--threads", "many"], "argument --threads: many: expected a whole number, at least 1"),
        (["ingress", "--port", "http"], "argument --port: http: expected a port, 0 to 65535"),
        (["ingress", "--services", "A b"], "argument --services: A b: expected names of a-z, 0-9 and dashes"),
    ],
)
def test_value_that_is_none_is_told_in_plain_words(site: Site, arguments: list[str], text: str) -> None:
    done = site.collector(*arguments)
    assert done.status == 64
    assert text in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"lightspeed-collector {VERSION}\n"


def test_help_of_the_whole_names_commands_files_and_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for word in [*COMMANDS, "LIGHTSPEED_STACK_CONFIG", "exit status", "65", "69", "73", "74", "75", "78"]:
        assert word in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 5


def test_configuration_file_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--config", str(tmp_path / "nothing.yaml"), "run"]) == 78
    assert capsys.readouterr().err.count("\n") == 1


def loaded(arguments: list[str]) -> set[str]:
    """The modules that a command has loaded at its end."""
    code = f"import sys; from lightspeed_collector import cli; cli.main({arguments!r}); print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {
        name.split(".")[0] if not name.startswith("lightspeed_stack") else name
        for name in done.stdout.splitlines()[-1].split()
    }


def test_run_loads_what_it_needs(site: Site) -> None:
    empty = loaded(["--config", str(site.file), "run"])
    assert not empty & {
        "requests",
        "urllib3",
        "flask",
        "gunicorn",
        "werkzeug",
        "sqlalchemy",
        "jsonschema",
        "tarfile",
        "ssl",
    }
    site.put(1)
    busy = loaded(["--config", str(site.file), "run"])
    assert not busy & {"flask", "gunicorn", "werkzeug", "sqlalchemy", "jsonschema"}
    theirs = {name for name in busy if name.startswith("lightspeed_stack.")}
    assert all(name.startswith("lightspeed_stack.daemon") for name in theirs)
    assert "lightspeed_stack.daemon.web" not in theirs


@pytest.mark.parametrize("command", ["run", "status"])
def test_output_that_nobody_reads_is_no_error(site: Site, command: str) -> None:
    shell = " ".join([*site.command(command, "--json"), "| true"])
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_module_can_be_run(ingress: FaultyIngress, site: Site) -> None:
    site.put(1)
    assert json.loads(site.collector("run", "--json").stdout)["sent"] == 1

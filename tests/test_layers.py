"""Who may import what, and what may cross between the two programs."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STACK, COLLECTOR = ROOT / "lightspeed_stack", ROOT / "lightspeed_collector"


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


@functools.cache
def imported(module: Path) -> tuple[str, ...]:
    """Every module name that `module` imports, anywhere in it."""
    return tuple(_imported(module))


def _imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importers(package: Path, library: str) -> set[str]:
    return {
        str(module.relative_to(ROOT))
        for module in modules(package)
        if any(name == library or name.startswith(f"{library}.") for name in imported(module))
    }


def test_the_collector_takes_only_the_daemon_subpackage_of_the_stack() -> None:
    crossing = {
        name
        for module in modules(COLLECTOR)
        for name in imported(module)
        if name.startswith("lightspeed_stack") and not name.startswith("lightspeed_stack.daemon")
    }
    assert crossing == set()


def test_the_stack_imports_nothing_of_the_collector() -> None:
    assert importers(STACK, "lightspeed_collector") == set()


def test_the_daemon_subpackage_knows_neither_business() -> None:
    names = {
        name for module in modules(STACK / "daemon") for name in imported(module) if name.startswith("lightspeed_")
    }
    assert {name for name in names if not name.startswith("lightspeed_stack.daemon")} == set()


@pytest.mark.parametrize("library", ["flask", "gunicorn", "werkzeug"])
def test_only_the_ingress_of_the_collector_serves(library: str) -> None:
    assert {name for name in importers(COLLECTOR, library) if "/ingress/" not in name} == set()


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("tarfile", set()),
        ("sqlalchemy", {"conversations.py", "database.py", "postgres.py", "tally.py"}),
        ("jwt", {"auth/jwk.py", "auth/jwks.py"}),
        ("re2", {"redact.py", "auth/roles.py"}),
        ("gunicorn", {f"daemon/{name}.py" for name in ("arrival", "refusal", "response", "web", "worker")}),
        ("prometheus_client", {"instruments.py"}),
        ("yaml", {"daemon/config.py", "parse.py", "openapi.py"}),
    ],
)
def test_each_library_of_the_stack_is_met_at_the_rim(library: str, allowed: set[str]) -> None:
    assert importers(STACK, library) <= {f"lightspeed_stack/{name}" for name in allowed}


@pytest.mark.parametrize("module", ["parse", "redact", "validity", "prompt", "records", "attachments"])
def test_what_decides_does_no_io(module: str) -> None:
    rim = {"flask", "requests", "urllib3", "sqlite3", "sqlalchemy", "socket", "subprocess", "os", "threading"}
    assert {name.split(".")[0] for name in imported(STACK / f"{module}.py")} & rim == set()


@pytest.mark.parametrize("module", ["batch", "retention"])
def test_what_decides_in_the_collector_does_no_io(module: str) -> None:
    rim = {"requests", "sqlite3", "socket", "subprocess", "os", "threading", "tarfile"}
    assert {name.split(".")[0] for name in imported(COLLECTOR / f"{module}.py")} & rim == set()


def test_a_run_with_nothing_to_send_loads_no_server_and_no_client(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        f"""
user_data_collection:
  feedback_storage: {tmp_path}/feedback
  transcripts_storage: {tmp_path}/transcripts
  data_collector:
    enabled: true
    ingress_server_url: http://127.0.0.1:9/upload
    ingress_content_service_name: null
    state_dir: {tmp_path}/state
"""
    )
    program = f"""
import sys
from lightspeed_collector import cli
status = cli.main(["--config", {str(config)!r}, "run"])
print(status, sorted(set(sys.modules) & {{"flask", "gunicorn", "werkzeug", "sqlalchemy", "jsonschema", "requests", "jinja2"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_nothing_happens_at_import() -> None:
    """No module opens a file, a socket or a process when it is imported."""
    names = [
        ".".join(module.relative_to(ROOT).with_suffix("").parts)
        for package in (STACK, COLLECTOR)
        for module in modules(package)
        if module.name != "__main__.py"
    ]
    program = f"""
import importlib, sys
for warm in {names!r}:
    pass
def audit(event, args):
    if event == "socket.bind" and args[1] == ("::1", 0):
        return  # urllib3 finds out once whether this machine has IPv6
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename", "sqlite3.connect"):
        print(event, args)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        print(event, args)
sys.dont_write_bytecode = True
sys.addaudithook(audit)
for name in {names!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == ""


def test_no_module_is_too_long_to_read() -> None:
    long = {
        str(m.relative_to(ROOT)): n
        for p in (STACK, COLLECTOR)
        for m in modules(p)
        if (n := len(m.read_text().splitlines())) > 250
    }
    assert long == {}

"""The command line as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.fakes.daemon import ROOT

COMMAND = [sys.executable, "-m", "lightspeed_stack"]


def run(*arguments: str, stdin: str = "", cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=cwd or ROOT / "tests",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environ},
    )


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "lightspeed-stack.yaml"
    file.write_text(f"name: test\nstate_dir: {tmp_path}/state\n")
    return file


def test_tells_its_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, "lightspeed-stack 0.1.0\n")


def test_help_names_every_command() -> None:
    text = run("--help").stdout
    for word in (
        "--check-config",
        "--dump-configuration",
        "--data-collector",
        "index",
        "redact",
        "api-key",
        "Exit status",
    ):
        assert word in text


@pytest.mark.parametrize(
    "arguments", [["--unheard-of"], ["index"], ["--check-config", "--data-collector"], ["nonsense"]]
)
def test_bad_usage_is_64(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 64
    assert "Traceback" not in done.stderr


def test_checks_a_good_configuration(good: Path) -> None:
    done = run("--config", str(good), "--check-config")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_fault_is_one_line_and_the_status_78(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("nmae: x\nservice: {port: '80'}\n")
    done = run("--config", str(file), "--check-config")
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        f"lightspeed-stack: {file}: nmae: unknown key; did you mean name?",
        f"lightspeed-stack: {file}: service.port: expected integer, found string",
    ]


def test_a_fault_in_the_collectors_part_is_found_too(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("user_data_collection: {data_collector: {enabled: perhaps}}\n")
    done = run("--config", str(file), "--check-config")
    assert done.returncode == 78
    assert "user_data_collection.data_collector.enabled" in done.stderr


def test_a_pattern_that_can_not_run_in_linear_time_is_named(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("redaction: {filters: [{name: a, pattern: x}, {name: b, pattern: '(?=x)'}]}\n")
    done = run("--config", str(file), "--check-config")
    assert done.returncode == 78
    assert f"{file}: redaction.filters[1].pattern" in done.stderr


def test_serving_a_bad_configuration_is_78_too(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("service: {port: 99999}\n")
    done = run("--config", str(file))
    assert (done.returncode, len(done.stderr.splitlines())) == (78, 1)


def test_a_missing_file_is_named() -> None:
    done = run("--config", "/nonexistent.yaml", "--check-config")
    assert (done.returncode, done.stderr) == (
        78,
        "lightspeed-stack: /nonexistent.yaml: can't be read: No such file or directory\n",
    )


def test_finds_the_file_by_the_environment_or_the_directory(good: Path) -> None:
    by_name = run("--dump-configuration", LIGHTSPEED_STACK_CONFIG=str(good))
    by_place = run("--dump-configuration", cwd=good.parent)
    assert json.loads(by_name.stdout) == json.loads(by_place.stdout)
    assert json.loads(by_name.stdout)["name"] == "test"


def test_the_dump_shows_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    openai = {
        "name": "a",
        "type": "openai",
        "base_url": "http://127.0.0.1:1",
        "api_key": "hunter2",
        "headers": {"x": "hunter2"},
    }
    postgres = {"db": "d", "user": "u", "password": "hunter2"}
    file.write_text(yaml.safe_dump({"inference": {"providers": [openai]}, "database": {"postgres": postgres}}))
    done = run("--config", str(file), "--dump-configuration")
    assert done.returncode == 0
    assert "hunter2" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["inference"]["providers"][0]["api_key"] == "**********"


def test_redacts_what_it_reads(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "redaction: {builtin: [email], filters: [{name: ticket, pattern: 'T-[0-9]+', replace_with: '[ticket]'}]}\n"
    )
    done = run("--config", str(file), "redact", stdin="mail a@example.com about T-123\n")
    assert done.returncode == 0
    assert "a@example.com" not in done.stdout
    assert "about [ticket]" in done.stdout


def test_makes_an_api_key_that_is_shown_once(tmp_path: Path) -> None:
    import hashlib
    import re

    done = run("api-key", "alice")
    assert done.returncode == 0
    digest = re.search(r"\b[0-9a-f]{64}\b", done.stdout)
    assert digest
    assert any(hashlib.sha256(word.encode()).hexdigest() == digest.group() for word in done.stdout.split())
    assert "alice" in done.stdout


def test_indexes_directories(good: Path, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "gardening.md").write_text("# Pruning roses\n\nCut them back in March.\n")
    done = run("--config", str(good), "index", str(documents))
    assert done.returncode == 0, done.stderr


def test_indexing_a_missing_directory_says_so(good: Path) -> None:
    done = run("--config", str(good), "index", "/nonexistent")
    assert done.returncode != 0
    assert "/nonexistent" in done.stderr
    assert "Traceback" not in done.stderr


def test_hands_over_to_the_collector(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("user_data_collection: {data_collector: {enabled: false}}\n")
    done = run("--config", str(file), "--data-collector")
    assert done.returncode == 0
    assert "disabled" in done.stderr or "enabled" in done.stderr

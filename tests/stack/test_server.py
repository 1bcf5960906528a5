"""What the daemon finds out before it serves, and that it is the only one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from lightspeed_stack import server
from lightspeed_stack.daemon.config import ConfigError
from tests.fakes.application import configuration, provider
from tests.fakes.daemon import DEADLINE_SECONDS, ROOT, Stack
from tests.fakes.provider import FakeProvider

SLOWLY = "tokens-100-0.2"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_is_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "tls.pem"
    if content is not None:
        file.write_text(content)
    paths = {"tls_certificate_path": str(file), "tls_key_path": str(file)}
    configuration(tmp_path, {"service": {"tls_config": paths}})
    with pytest.raises(ConfigError, match=r"lightspeed-stack\.yaml: service\.tls_config: "):
        server.serve(tmp_path / "lightspeed-stack.yaml", {})
    assert not (tmp_path / "state").exists()


def test_a_second_daemon_does_not_disturb_the_first(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        before = files(tmp_path / "state" / "run")
        assert before
        second = start(stack.file)
        assert second.returncode == 75
        assert f"can't start: another lightspeed-stack is running with {tmp_path}/state/run" in second.stderr
        assert "Traceback" not in second.stderr
        assert before <= files(tmp_path / "state" / "run")
        stack.signal(signal.SIGHUP)
        stack.wait_for("configuration reloaded")
        assert start(stack.file).returncode == 75
        assert requests.get(f"{stack.url}/liveness", timeout=20).status_code == 200


def test_an_address_that_another_has(tmp_path: Path) -> None:
    with Stack(tmp_path / "one") as stack:
        port = int(stack.url.rpartition(":")[2])
        configuration(tmp_path / "two", {"service": {"port": port}})
        second = start(tmp_path / "two" / "lightspeed-stack.yaml")
        assert second.returncode == 69
        assert f"can't start: another program listens at 127.0.0.1:{port}" in second.stderr
        assert "Traceback" not in second.stderr


def test_after_a_crash_the_next_starts_though_workers_are_left(tmp_path: Path) -> None:
    """A worker busy with a stream outlives its daemon."""
    with (
        FakeProvider(behaviour=SLOWLY) as fake,
        Stack(tmp_path, provider(fake.url)) as crashed,
        requests.post(f"{crashed.url}/v1/streaming_query", json={"query": "?"}, stream=True, timeout=20) as told,
    ):
        assert b'"start"' in next(told.iter_lines())
        crashed.signal(signal.SIGKILL)
        crashed.wait()
        with Stack(tmp_path) as stack:
            assert requests.get(f"{stack.url}/liveness", timeout=20).status_code == 200


def test_the_next_starts_while_the_last_still_answers(tmp_path: Path) -> None:
    with (
        FakeProvider(behaviour=SLOWLY) as fake,
        Stack(tmp_path, provider(fake.url)) as old,
        requests.post(f"{old.url}/v1/streaming_query", json={"query": "?"}, stream=True, timeout=20) as told,
    ):
        lines = told.iter_lines()
        assert b'"start"' in next(lines)
        old.signal(signal.SIGTERM)
        with Stack(tmp_path) as stack:
            assert old.popen.poll() is None
            assert requests.get(f"{stack.url}/liveness", timeout=20).status_code == 200
        assert old.popen.poll() is None
        assert any(b'"event": "token"' in line for line in lines)


def start(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lightspeed_stack", "--config", str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))

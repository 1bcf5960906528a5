"""What the daemon finds out before it serves, and that it is the only one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from lightspeed_stack import server
from lightspeed_stack.daemon.config import ConfigError
from tests.fakes.application import configuration, provider
from tests.fakes.daemon import DEADLINE_SECONDS, ROOT, Stack, merged
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
        assert f"can't start: something listens at 127.0.0.1:{port} already" in second.stderr
        assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "192.0.2.1:0 is no address of this host"),
        ("no.such.name.invalid", "listening at no.such.name.invalid:0 fails: "),
        ("fe80::1", "listening at [fe80::1]:0 fails: "),
        ("ä" * 70, "is no address"),
    ],
)
def test_an_address_that_cannot_be_had(tmp_path: Path, host: str, why: str) -> None:
    configuration(tmp_path, {"service": {"host": host}, "authentication": {"allow_insecure": True}})
    done = start(tmp_path / "lightspeed-stack.yaml")
    assert done.returncode == 69
    assert re.search(f"can't start: .*{re.escape(why)}", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
def test_a_socket_of_systemd_that_other_machines_reach_asks_who_they_are(
    tmp_path: Path, family: socket.AddressFamily, host: str
) -> None:
    """Bound, but listening to nobody."""
    configuration(tmp_path)
    with closing(socket.socket(family)) as handed:
        handed.bind((host, 0))
        done = start_with(handed, tmp_path / "lightspeed-stack.yaml")
    assert done.returncode == 78
    assert re.fullmatch(
        rf".*lightspeed-stack\.yaml: authentication\.module: noop would let anyone who reaches {re.escape(host)} ask; "
        r"choose another module, .*\n",
        done.stderr,
    )
    assert not (tmp_path / "state").exists()


def start_with(handed: socket.socket, file: Path) -> subprocess.CompletedProcess[str]:
    """The daemon, given a socket as systemd gives one."""
    command = f"LISTEN_PID=$$ LISTEN_FDS=1 exec {sys.executable} -m lightspeed_stack -c {file} 3<&0"
    return subprocess.run(
        ["sh", "-c", command],
        stdin=handed,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


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


def test_without_the_folder_of_metrics_everything_is_answered_and_recorded(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        shutil.rmtree(tmp_path / "state" / "run" / "metrics")
        told = requests.post(f"{stack.url}/v1/streaming_query", json={"query": "How do I list files?"}, timeout=20)
        assert '"event": "end"' in told.text
        assert requests.post(f"{stack.url}/v1/query", json={"query": "And folders?"}, timeout=20).status_code == 200
        assert requests.get(f"{stack.url}/metrics", timeout=20).status_code == 200
        assert len(list(stack.transcripts.glob("[!.]*.json"))) == 2
        stack.wait_for("metrics are incomplete: .*/metrics: No such file or directory")


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a folder beneath a file": ({"state_dir": "/etc/passwd/x"}, r"yaml: state_dir: /etc/passwd: Not a directory"),
    "a folder that can't be made": ({"state_dir": "/proc/none/x"}, r"/proc/none: No such file or directory"),
    "a damaged secret": ({"state_dir": "DAMAGED"}, r"yaml: state_dir: .*user-id-secret: damaged"),
    "no URL": ({"service": {"base_url": "http://[bad"}}, r"yaml: service\.base_url: is not a URL"),
    "half a key": (
        provider("http://127.0.0.1:9/v1", api_key="sk-a\nb"),
        r"yaml: .*\[0\]\.api_key: has characters that",
    ),
}


def test_a_reload_that_no_worker_could_start_with_is_refused(tmp_path: Path) -> None:
    """The answer in flight is not cut, and the next are given."""
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "user-id-secret").write_bytes(b"short")
    with FakeProvider(behaviour=SLOWLY) as fake, Stack(tmp_path, provider(fake.url)) as stack:
        with requests.post(f"{stack.url}/v1/streaming_query", json={"query": "?"}, stream=True, timeout=20) as told:
            lines = told.iter_lines()
            assert b'"start"' in next(lines)
            refuse_all(stack, damaged)
            assert any(b'"event": "token"' in line for line in lines)
        assert requests.get(f"{stack.url}/liveness", timeout=20).status_code == 200
        stack.file.write_text(yaml.safe_dump(stack.config))
        stack.signal(signal.SIGHUP)
        stack.wait_for("configuration reloaded")
        assert not any("Traceback" in line for line in stack.log)
        assert not (tmp_path / "state" / "run" / "trial").exists()


def refuse_all(stack: Stack, damaged: Path) -> None:
    for change, fault in UNUSABLE.values():
        text = yaml.safe_dump(merged(stack.config, change))
        stack.file.write_text(text.replace("DAMAGED", str(damaged)))
        stack.signal(signal.SIGHUP)
        stack.wait_for("reload refused: .*" + fault)


@pytest.mark.parametrize("fault", ["a folder beneath a file", "no URL", "half a key"])
def test_what_no_worker_could_start_with_is_found_by_the_check_too(tmp_path: Path, fault: str) -> None:
    configuration(tmp_path)
    change, told = UNUSABLE[fault]
    file = tmp_path / "lightspeed-stack.yaml"
    file.write_text(yaml.safe_dump(merged(yaml.safe_load(file.read_text()), change)))
    done = start(file, "--check-config")
    assert done.returncode == 78
    assert re.search(told, done.stderr)
    assert "Traceback" not in done.stderr


def start(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lightspeed_stack", "--config", str(file), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))

"""The ingress's command line."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import requests

from tests.fakes.archives import batch, upload
from tests.fakes.daemon import ROOT
from tests.fakes.reference_ingress import COMMAND, Ingress


def run(*options: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "ingress", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)


def test_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--store", tmp_path / "store", "--port", port)
    assert done.returncode == 69
    assert f"something listens at 127.0.0.1:{port} already" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "x"],
        ["--max-size", "0"],
        ["--max-size", "1.5"],
        ["--threads", "-1"],
        ["--services", ""],
        ["--services", "A b"],
    ],
)
def test_nonsense_is_refused_before_anything_is_made(tmp_path: Path, options: list[str]) -> None:
    done = run("--store", tmp_path / "store", *options)
    assert done.returncode == 64
    assert options[0] in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for options in (
        ["--store", tmp_path / "file"],
        ["--store", tmp_path / "s", "--state", tmp_path / "file"],
        ["--store", tmp_path / "s", "--notify", tmp_path / "file" / "lines"],
    ):
        done = run(*options)
        assert done.returncode == 73
        assert len(done.stderr.splitlines()) == 1


def test_a_state_on_another_file_system_than_the_store(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as state:
        if os.stat(state).st_dev == tmp_path.stat().st_dev:
            pytest.skip("all is one file system here")
        done = run("--store", tmp_path / "store", "--state", state)
        assert os.listdir(state) == []
    assert done.returncode == 73
    assert f"{state}: can't be linked to {tmp_path / 'store'}: Invalid cross-device link" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_token_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for name in ("nothing", "empty"):
        done = run("--store", tmp_path / "s", "--token-file", tmp_path / name)
        assert done.returncode == 78
        assert name in done.stderr


def test_an_open_door_is_pointed_out(tmp_path: Path) -> None:
    with Ingress(tmp_path) as ingress:
        ingress.wait_for("whoever reaches this address may upload")


def test_notifications_and_state_go_where_they_are_told(tmp_path: Path) -> None:
    name, body = batch()
    options = ["--state", str(tmp_path / "state"), "--notify", str(tmp_path / "told" / "lines")]
    with Ingress(tmp_path / "store", *options) as ingress:
        assert upload(ingress.url, body, name, 2).status_code == 202
        assert [path.name for path in (tmp_path / "store").iterdir()] == [f"{name}.tar.gz"]
        assert json.loads((tmp_path / "told" / "lines").read_text())["batch_id"] == name


def test_a_signal_ends_it_cleanly(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with Ingress(tmp_path) as ingress:
            ingress.signal(number)
            assert ingress.wait() == 0
        assert "Traceback" not in "\n".join(ingress.log)


def test_https(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            shutil.which("openssl") or "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-out",
            certificate,
            "-keyout",
            key,
        ],
        check=True,
        capture_output=True,
    )
    with Ingress(tmp_path / "store", "--tls-certificate", str(certificate), "--tls-key", str(key)) as ingress:
        assert ingress.base.startswith("https://")
        assert requests.get(ingress.base, timeout=30, verify=str(certificate)).text == "lubdub"


def test_help_tells_the_exit_status() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "exit status" in done.stdout


def test_the_options_cost_no_server() -> None:
    loaded = "sorted(set(sys.modules) & {'flask', 'gunicorn', 'boto3', 'isal'})"
    program = f"import argparse, sys; from lightspeed_collector.ingress import cli; print({loaded})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n"

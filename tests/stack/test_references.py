"""`lightspeed-stack --check-config` and the files that are named."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.tls import certificate
from tests.stack.test_cli import run

NOWHERE = {"tls_certificate_path": "/nothing/cert.pem", "tls_key_path": "/nothing/key.pem"}


def checked(folder: Path, **sections: Any) -> tuple[int, list[str]]:
    file = folder / "lightspeed-stack.yaml"
    file.write_text(yaml.safe_dump({"state_dir": str(folder / "state"), **sections}))
    done = run("--config", str(file), "--check-config", HOME=str(folder))
    return done.returncode, done.stderr.replace(str(file), "FILE").splitlines()


def test_certificate_that_is_missing(tmp_path: Path) -> None:
    missing = "No such file or directory"
    assert checked(tmp_path, service={"tls_config": NOWHERE}) == (
        78,
        [
            f"lightspeed-stack: FILE: service.tls_config.tls_certificate_path: /nothing/cert.pem: {missing}",
            f"lightspeed-stack: FILE: service.tls_config.tls_key_path: /nothing/key.pem: {missing}",
        ],
    )


@pytest.mark.parametrize("content", ["junk", ""])
def test_certificate_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "junk").write_text(content)
    junk = str(tmp_path / "junk")
    status, shown = checked(tmp_path, service={"tls_config": {"tls_certificate_path": junk, "tls_key_path": junk}})
    assert status == 78
    assert "FILE: service.tls_config: " in shown[0]


def test_certificate_that_is_good(tmp_path: Path) -> None:
    pem = str(certificate(tmp_path))
    tls = {"tls_certificate_path": pem, "tls_key_path": pem}
    assert checked(tmp_path, service={"tls_config": tls}) == (0, [])


def test_credentials_of_the_unit_are_warnings(tmp_path: Path) -> None:
    tls = {"tls_certificate_path": "lightspeed-stack.tls-certificate", "tls_key_path": "lightspeed-stack.tls-key"}
    status, shown = checked(tmp_path, service={"tls_config": tls})
    assert status == 0
    assert [line.split(": not here")[0] for line in shown] == [
        "lightspeed-stack: warning: FILE: service.tls_config.tls_certificate_path: lightspeed-stack.tls-certificate",
        "lightspeed-stack: warning: FILE: service.tls_config.tls_key_path: lightspeed-stack.tls-key",
    ]


def test_key_of_a_provider_is_no_reason_not_to_start(tmp_path: Path) -> None:
    provider = {"name": "o", "type": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key_file": "/nothing/key"}
    status, shown = checked(tmp_path, inference={"providers": [provider]})
    assert status == 0
    assert shown == [
        "lightspeed-stack: warning: FILE: inference.providers[0].api_key_file: /nothing/key: No such file or directory"
    ]

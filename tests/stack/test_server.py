"""What the daemon finds out before it serves: here only what ends it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightspeed_stack import server
from lightspeed_stack.daemon.config import ConfigError
from tests.fakes.application import configuration


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

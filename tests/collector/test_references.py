"""`--check-config` and the files that are named: judged as the next run would."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.collector.conftest import Met
from tests.fakes.privileges import bound
from tests.fakes.site import Site
from tests.fakes.tls import certificate

FILES = ["ca_bundle", "client_cert", "ingress_server_auth_token_file", "oauth2.client_secret_file"]


def named(key: str, path: Path | str) -> dict[str, Any]:
    if key == "oauth2.client_secret_file":
        oauth2 = {"token_url": "http://127.0.0.1:9/", "client_id": "me", "client_secret_file": str(path)}
        return {"oauth2": oauth2}
    return {key: str(path)}


@pytest.mark.parametrize("key", FILES)
def test_file_that_is_missing_is_a_fault_to_the_check_and_to_the_run(site: Site, tmp_path: Path, key: str) -> None:
    site.configure(**named(key, tmp_path / "nothing"))
    site.put(1)
    done = site.collector("--check-config")
    fault = f"{site.file}: user_data_collection.data_collector.{key}: {tmp_path}/nothing: No such file or directory"
    assert (done.status, done.stderr) == (78, f"lightspeed-collector: {fault}\n")
    assert site.run().status == 78


@pytest.mark.parametrize("key", FILES)
def test_file_that_we_may_not_read(site: Site, tmp_path: Path, key: str) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0)
    site.configure(**named(key, secret))
    done = site.collector("--check-config", prefix=bound())
    assert done.status == 78
    assert f"{key}: {secret}: Permission denied" in done.stderr


def test_file_of_a_collector_that_is_another_user_is_a_warning(site: Site, tmp_path: Path) -> None:
    secret, state = tmp_path / "secret", tmp_path / "state"
    secret.touch(mode=0)
    state.mkdir(mode=0)
    site.configure(**named("ca_bundle", secret), state_dir=str(state))
    done = site.collector("--check-config", prefix=bound())
    assert done.status == 0
    assert "WARNING" in done.stderr
    assert "ca_bundle" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what its user can't")
@pytest.mark.parametrize(("mode", "told"), [(0o600, True), (0o644, False)])
def test_root_is_told_of_a_file_that_the_collectors_user_can_not_read(site: Site, mode: int, told: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are root's alone
        os.chmod(folder, 0o755)
        token, state = Path(folder) / "token", Path(folder) / "state"
        token.write_text("t0k3n")
        token.chmod(mode)
        state.mkdir()
        os.chown(state, 12345, 12345)
        site.configure(**named("ingress_server_auth_token_file", token), state_dir=str(state))
        done = site.collector("--check-config")
    assert done.status == 0
    assert ("can be read by root, and not by user 12345, who runs the collector" in done.stderr) is told


def test_every_fault_is_told(site: Site) -> None:
    site.configure(ca_bundle="/nothing/1", client_cert="/nothing/2", client_key="/nothing/3")
    done = site.collector("--check-config")
    assert done.status == 78
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize("key", ["ca_bundle", "client_cert"])
def test_file_that_holds_something_else(site: Site, tmp_path: Path, key: str) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    site.configure(**named(key, tmp_path / "junk.pem"))
    site.put(1)
    done = site.collector("--check-config")
    assert done.status == 78
    assert f"{key}: {tmp_path}/junk.pem: no certificate" in done.stderr
    run = site.run()
    assert run.status == 78
    assert f"{key}: {tmp_path}/junk.pem: no certificate" in run.stderr


def test_key_of_another_certificate(site: Site, tmp_path: Path) -> None:
    ours, other = certificate(tmp_path), certificate(tmp_path, "127.0.0.2")
    site.configure(client_cert=str(ours), client_key=str(other))
    done = site.collector("--check-config")
    assert done.status == 78
    assert f"client_key: {other}: is not the key of {ours}" in done.stderr


def test_token_that_no_header_can_carry(site: Site, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("two words")
    site.configure(ingress_server_auth_token_file=str(tmp_path / "token"))
    done = site.collector("--check-config")
    assert done.status == 78
    assert "ingress_server_auth_token_file: not a token" in done.stderr
    assert "two words" not in done.stderr


def test_good_files(site: Site, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0k3n")
    pem = str(certificate(tmp_path))
    site.configure(ca_bundle=pem, client_cert=pem, client_key=pem, **named(FILES[2], tmp_path / "token"))
    done = site.collector("--check-config")
    assert (done.status, done.stderr) == (0, "")
    site.configure(ca_bundle=str(tmp_path))
    assert site.collector("--check-config").status == 0


@pytest.mark.parametrize("path", ["lightspeed-collector.ingress-token", "/run/credentials/x.service/token"])
def test_credential_of_the_unit_is_a_warning_elsewhere(site: Site, path: str) -> None:
    site.configure(ingress_server_auth_token_file=path)
    done = site.collector("--check-config")
    assert done.status == 0
    assert f"ingress_server_auth_token_file: {path}: not here: taken for a credential" in done.stderr


@pytest.mark.parametrize("there", [True, False])
def test_credential_is_looked_for_where_there_are_any(site: Site, tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "token").write_text("t0k3n")
    site.configure(ingress_server_auth_token_file="token")
    done = site.collector("--check-config", environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert done.status == (0 if there else 78)


def test_check_in_the_unit_of_another_user_does_not_miss_our_credentials(site: Site, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0)
    site.configure(ingress_server_auth_token_file="token", state_dir=str(state))
    done = site.collector("--check-config", environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}, prefix=bound())
    assert done.status == 0
    assert "token: not here" in done.stderr


def test_check_in_the_unit_of_another_user_is_no_verdict(site: Site, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0)
    site.configure(ca_bundle="/nothing.pem", state_dir=str(state))
    assert site.collector("--check-config", environ={"INVOCATION_ID": "1"}, prefix=bound()).status == 0
    assert site.collector("--check-config", environ={"INVOCATION_ID": "1"}).status == 78


def test_reference_of_a_unit_file_is_explained(site: Site) -> None:
    site.configure(ingress_server_auth_token_file="%d/token")
    done = site.collector("--check-config")
    assert done.status == 78
    assert "%d isn't replaced: give the credential's name alone" in done.stderr


def test_disabled_collector_needs_none_of_them(site: Site) -> None:
    site.configure(enabled=False, ca_bundle="/nothing.pem")
    done = site.collector("--check-config")
    assert done.status == 0
    assert "ca_bundle: /nothing.pem: No such file or directory" in done.stderr


def test_run_finds_a_bundle_that_was_good_at_the_check(meet: Met, tmp_path: Path) -> None:
    site, _ = meet()
    pem = certificate(tmp_path)
    site.configure(ca_bundle=str(pem))
    assert site.collector("--check-config").status == 0
    pem.unlink()
    spooled = site.put(1)
    assert (site.run().status, site.waiting) == (78, spooled)

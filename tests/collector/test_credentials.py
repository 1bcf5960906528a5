"""Where the token comes from, through the real command."""

import base64
import json
import subprocess
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes.ingress_faults import FaultyIngress, answer
from tests.fakes.site import Site

SECRET = "cl13nt-s3cr3t"


def grant(token: str, **more: object) -> faults.Behaviour:
    body = json.dumps({"access_token": token, "token_type": "Bearer", **more}).encode()
    return answer(200, "Content-Type: application/json", body=body)


def oauth2(server: FaultyIngress, folder: Path, scope: str | None = "api.console") -> dict[str, object]:
    (folder / "secret").write_text(f"{SECRET}\n")
    return {
        "token_url": f"http://127.0.0.1:{server.port}/token",
        "client_id": "me:and you",
        "client_secret_file": str(folder / "secret"),
        "scope": scope,
    }


def test_token_file_is_read(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  t0k3n\n")
    site.configure(ingress_server_auth_token_file=str(tmp_path / "token"))
    site.put(1)
    assert site.run().status == 0
    assert ingress.uploads[0].headers["authorization"] == "Bearer t0k3n"


def test_systemd_credential_is_found_by_its_name(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    (tmp_path / "ingress-token").write_text("t0k3n")
    site.configure(ingress_server_auth_token_file="ingress-token")
    site.put(1)
    assert site.run(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).status == 0
    assert ingress.uploads[0].headers["authorization"] == "Bearer t0k3n"


def test_no_token_is_no_header(site: Site, ingress: FaultyIngress) -> None:
    site.put(1)
    assert site.run().status == 0
    assert "authorization" not in ingress.uploads[0].headers


def test_token_rotated_during_a_run_is_used_after_a_401(meet: Met, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    def rotate(connection: faults.Connection) -> None:
        connection.read_body()
        token.write_text("new")
        connection.send(faults.head(401))

    wanted = faults.only(lambda upload: upload.headers.get("authorization") == "Bearer new", 401)
    site, ingress = meet(rotate, wanted, ingress_server_auth_token_file=str(token))
    spooled = site.put(2)
    assert site.run().status == 0
    assert ingress.records == spooled


@pytest.mark.parametrize("content", ["", "\n", "two words", "line\nline", "caf\xe9", "tab\there"])
def test_token_that_no_header_can_carry(site: Site, ingress: FaultyIngress, tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    site.configure(ingress_server_auth_token_file=str(tmp_path / "token"))
    spooled = site.put(1)
    done = site.run()
    assert (done.status, site.waiting, ingress.uploads) == (78, spooled, [])
    assert "ingress_server_auth_token_file" in done.stderr
    assert not content.strip() or content.split()[0] not in done.stderr


def test_oauth2_token_is_granted_and_used(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    with FaultyIngress(grant("gr4nt3d", expires_in=300)) as server:
        site.configure(oauth2=oauth2(server, tmp_path), max_archive_bytes=6000)
        site.put(6)
        done = site.run()
    assert done.status == 0
    assert done.report["batches"] > 1
    (asked,) = server.uploads
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["api.console"]}
    user, _, secret = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (user, secret) == ("me%3Aand%20you", SECRET)
    assert {upload.headers["authorization"] for upload in ingress.uploads} == {"Bearer gr4nt3d"}


def test_oauth2_token_is_asked_for_again_when_it_expires(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    with FaultyIngress(grant("first", expires_in=0.001), grant("second", expires_in=0.001)) as server:
        site.configure(oauth2=oauth2(server, tmp_path, None), max_archive_bytes=6000)
        site.put(6)
        assert site.run().status == 0
    assert len(server.uploads) == len(ingress.uploads) > 1
    assert {upload.headers["authorization"] for upload in ingress.uploads} == {"Bearer first", "Bearer second"}


def test_oauth2_token_is_asked_for_again_after_a_401(meet: Met, tmp_path: Path) -> None:
    wanted = faults.only(lambda upload: upload.headers.get("authorization") == "Bearer second", 401)
    site, ingress = meet(wanted)
    with FaultyIngress(grant("first"), grant("second")) as server:
        site.configure(oauth2=oauth2(server, tmp_path))
        spooled = site.put(2)
        assert site.run().status == 0
    assert ingress.records == spooled


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (answer(401), 69),
        (answer(400, body=b'{"error": "invalid_client"}'), 69),
        (answer(302, "Location: /login"), 69),
        (answer(200, body=b"<html>"), 69),
        (answer(200, body=b"[]"), 69),
        (answer(200, body=b'{"token_type": "Bearer"}'), 69),
        (answer(503), 75),
        (answer(429), 75),
        (faults.drop_response(store=False), 75),
        (faults.raw(b"garbage"), 75),
    ],
)
def test_oauth2_server_that_grants_nothing(
    site: Site, ingress: FaultyIngress, tmp_path: Path, behaviour: faults.Behaviour, status: int
) -> None:
    with FaultyIngress(behaviour) as server:
        site.configure(oauth2=oauth2(server, tmp_path))
        spooled = site.put(2)
        done = site.run()
    assert (done.status, site.waiting, ingress.uploads) == (status, spooled, [])
    assert "oauth2" in done.stderr
    assert SECRET not in done.stderr


def test_oauth2_server_that_comes_back_within_the_run(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    with FaultyIngress(answer(503), grant("gr4nt3d")) as server:
        site.configure(oauth2=oauth2(server, tmp_path))
        spooled = site.put(2)
        assert site.run().status == 0
    assert ingress.records == spooled


def test_secrets_are_in_no_process_list(meet: Met) -> None:
    site, ingress = meet(faults.stall_response(store=False), ingress_server_auth_token="s3cr3t-t0k3n")
    site.put(1)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        environ = Path(f"/proc/{run.popen.pid}/environ").read_bytes()
        run.signal(9)
        run.wait()
    assert "lightspeed_collector" in shown
    assert "s3cr3t" not in shown
    assert b"s3cr3t" not in environ

"""Routes, health, request ids and failures, over HTTP, from a real process."""

import uuid
from pathlib import Path

import pytest
import requests

from tests.fakes.archives import SERVICE, batch, send, upload
from tests.fakes.reference_ingress import REQUEST_ID, Ingress


@pytest.mark.parametrize("path", ["/", "/api/ingress/v1", "/api/ingress/v1/", "/r/insights/platform/ingress/v1/"])
def test_health(ingress: Ingress, path: str) -> None:
    answer = requests.get(ingress.base + path, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "lubdub")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_version(ingress: Ingress) -> None:
    assert set(requests.get(ingress.base + "/api/ingress/v1/version", timeout=30).json()) == {"version", "commit"}


@pytest.mark.parametrize(
    "path", ["/upload/", "/api//ingress/v1/upload", "/api/ingress/v1/upload/", "/nothing", "/static/x"]
)
def test_other_paths_are_not_found(ingress: Ingress, path: str) -> None:
    answer = requests.post(ingress.base + path, headers={REQUEST_ID: "mine"}, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    assert answer.headers[REQUEST_ID] == "mine"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_uploads(ingress: Ingress, method: str) -> None:
    answer = requests.request(method, ingress.url, timeout=30)
    assert (answer.status_code, answer.content, answer.headers["Allow"]) == (405, b"", "POST")
    assert answer.headers[REQUEST_ID]


def test_nothing_is_given_out(ingress: Ingress) -> None:
    name, body = batch()
    assert upload(ingress.url, body, name, 2).status_code == 202
    for path in (f"/{name}.tar.gz", f"/download/{name}", f"/upload/{name}", f"/api/ingress/v1/track/{name}"):
        assert requests.get(ingress.base + path, timeout=30).status_code == 404


@pytest.mark.parametrize("sent", ["0c9e6e5a-7a7f-4e8c-9dd3-bd2b3a0c1b3e", "host/abc-000001", "x" * 200])
def test_the_request_id_comes_back(ingress: Ingress, sent: str) -> None:
    answer = send(ingress.url, {"file": ("x", sent.encode(), SERVICE)}, {REQUEST_ID: sent})
    assert answer.headers[REQUEST_ID] == sent
    assert answer.json()["request_id"] == sent


@pytest.mark.parametrize("sent", [None, "", "x" * 201, "with blank"])
def test_a_missing_or_odd_request_id_is_replaced(ingress: Ingress, sent: str | None) -> None:
    answer = send(ingress.url, {"file": ("x", b"1", "nonsense")}, {REQUEST_ID: sent} if sent is not None else None)
    assert answer.status_code == 415
    assert uuid.UUID(answer.headers[REQUEST_ID])


def test_what_cannot_be_stored_is_a_500_and_can_be_sent_again(tmp_path: Path) -> None:
    with Ingress(tmp_path / "store", "--state", str(tmp_path / "state")) as ingress:
        (tmp_path / "store").rmdir()
        name, body = batch()
        answer = upload(ingress.url, body, name, 2)
        assert (answer.status_code, answer.content, answer.headers[REQUEST_ID]) == (500, b"", name)
        (tmp_path / "store").mkdir()
        assert upload(ingress.url, body, name, 2).status_code == 202
        assert ingress.stored() == [f"{name}.tar.gz"]
        assert len((tmp_path / "state" / "notifications.jsonl").read_text().splitlines()) == 1
        assert not [line for line in ingress.log if "Traceback" in line]


def test_a_disk_that_takes_no_more_is_a_500_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The limit of a file's size stands in for a full disk: a write fails half-way, and others go on."""
    limited = ["bash", "-c", 'ulimit -f 200; exec "$@"', "bash"]
    with Ingress(tmp_path, under=limited) as ingress:
        answer = send(ingress.url, {"file": ("x", bytes(2_000_000), SERVICE)})
        assert (answer.status_code, answer.content) == (500, b"")
        assert ingress.stored() == ingress.drafts() == ingress.told() == []
        name, body = batch()
        assert upload(ingress.url, body, name, 2).status_code == 202


def test_memory_does_not_grow_with_the_body(tmp_path: Path) -> None:
    with Ingress(tmp_path) as ingress:
        assert send(ingress.url, {"file": ("x", b"x" * 10, SERVICE)}).status_code == 202
        before = peak_memory(ingress)
        assert send(ingress.url, {"file": ("x", bytes(64_000_000), SERVICE)}).status_code == 202
        assert peak_memory(ingress) - before < 16_000_000


def peak_memory(ingress: Ingress) -> int:
    """Peak resident bytes of the arbiter's worker."""
    arbiter = ingress.popen.pid
    (worker,) = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
    status = Path(f"/proc/{worker}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

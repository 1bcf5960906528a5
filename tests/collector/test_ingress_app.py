"""The ingress's answers, over HTTP, from a real process."""

import base64
import http.client
import json
import socket
import tarfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.fakes.archives import SERVICE, archive, member, send, special, upload
from tests.fakes.reference_ingress import Ingress

REQUEST_ID = "x-rh-insights-request-id"
LIMIT = 100_000
TOKEN = {"Authorization": "Bearer new-secret"}


@pytest.fixture(scope="module")
def ingress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingress]:
    with Ingress(tmp_path_factory.mktemp("store"), "--max-size", str(LIMIT), "--workers", "2") as process:
        yield process


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingress]:
    folder = tmp_path_factory.mktemp("guarded")
    token = folder / "token"
    token.write_text("old-secret\nnew-secret\n")
    options = ["--token-file", str(token), "--require-identity", "--services", "lightspeed,ols"]
    with Ingress(folder, *options) as process:
        yield process


def raw(url: str, body: bytes, content_type: str) -> requests.Response:
    return requests.post(url, data=body, headers={"Content-Type": content_type}, timeout=30)


def identity(**fields: object) -> dict[str, str]:
    return {"x-rh-identity": base64.b64encode(json.dumps({"identity": fields}).encode()).decode()}


def batch() -> tuple[str, bytes]:
    return str(uuid.uuid4()), archive({member(): b"{}", member("feedback"): b"{}"})


@pytest.mark.parametrize(
    ("content_type", "status", "service", "category"),
    [
        ("application/gzip", 201, "advisor", "upload"),
        ("application/gzip; charset=binary", 201, "advisor", "upload"),
        ("application/x-gzip; charset=binary", 201, "advisor", "upload"),
        ("application/vnd.redhat.lightspeed.periodic+tar", 202, "lightspeed", "periodic"),
        ("application/vnd.redhat.rhos-lightspeed.x1+tgz", 202, "rhos-lightspeed", "x1"),
        ("prefix application/vnd.redhat.a.b suffix", 202, "a", "b"),
        ("application/x-gzip", 415, None, None),
        ("application/vnd.redhat.lightspeed", 415, None, None),
        ("application/vnd.redhat.Lightspeed.periodic+tar", 415, None, None),
        ("application/json", 415, None, None),
        ("", 415, None, None),
    ],
)
def test_the_parts_content_type_decides(
    ingress: Ingress, content_type: str, status: int, service: str | None, category: str | None
) -> None:
    before = len(ingress.told())
    answer = send(ingress.url, {"file": ("x", b"anything", content_type)})
    assert answer.status_code == status
    if service:
        told = ingress.told()[-1]
        assert (told["service"], told["category"], told["size"]) == (service, category, 8)
        assert answer.json() == {"request_id": answer.headers[REQUEST_ID], "upload": {}}
    else:
        assert answer.content == b""
        assert len(ingress.told()) == before


@pytest.mark.parametrize("path", ["/upload", "/api/ingress/v1/upload", "/r/insights/platform/ingress/v1/upload"])
def test_each_route_takes_uploads(ingress: Ingress, path: str) -> None:
    name, body = batch()
    assert upload(ingress.base + path, body, name, 2).status_code == 202
    assert (ingress.folder / f"{name}.tar.gz").read_bytes() == body


@pytest.mark.parametrize("path", ["/", "/api/ingress/v1", "/api/ingress/v1/", "/r/insights/platform/ingress/v1/"])
def test_health(ingress: Ingress, path: str) -> None:
    answer = requests.get(ingress.base + path, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "lubdub")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_version(ingress: Ingress) -> None:
    assert set(requests.get(ingress.base + "/api/ingress/v1/version", timeout=30).json()) == {"version", "commit"}


@pytest.mark.parametrize("path", ["/upload/", "/api//ingress/v1/upload", "/api/ingress/v1/upload/", "/nothing", "/static/x"])
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


class TestForm:
    def test_the_part_may_be_called_upload(self, ingress: Ingress) -> None:
        assert send(ingress.url, {"upload": ("x", b"1", SERVICE)}).status_code == 202

    def test_file_comes_before_upload_wherever_it_stands(self, ingress: Ingress) -> None:
        parts = [("upload", ("x", b"first", SERVICE)), ("file", ("x", b"second!", SERVICE))]
        for ordered in (parts, parts[::-1]):
            answer = send(ingress.url, ordered)
            assert answer.status_code == 202
            assert (ingress.folder / f"{answer.headers[REQUEST_ID]}.tar.gz").read_bytes() == b"second!"

    def test_the_first_of_two_files_wins(self, ingress: Ingress) -> None:
        answer = send(ingress.url, [("file", ("x", b"first", SERVICE)), ("file", ("x", b"other", SERVICE))])
        assert answer.status_code == 202
        assert (ingress.folder / f"{answer.headers[REQUEST_ID]}.tar.gz").read_bytes() == b"first"

    @pytest.mark.parametrize("parts", [{"file": (None, b"x", SERVICE)}, {"file": ("", b"x")}, {"other": ("x", b"x")}])
    def test_without_a_named_file_there_is_no_file(self, ingress: Ingress, parts: dict[str, object]) -> None:
        answer = send(ingress.url, parts)
        assert (answer.status_code, answer.text) == (400, "File or upload field not found")

    def test_any_bytes_arrive_as_they_were(self, ingress: Ingress) -> None:
        body = b"\r\n--\r\n-\r--\n\r\n" * 5000 + bytes(range(256)) + b"\r"
        answer = send(ingress.url, {"file": ("x", body, SERVICE)})
        assert answer.status_code == 202
        assert (ingress.folder / f"{answer.headers[REQUEST_ID]}.tar.gz").read_bytes() == body

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"raw bytes", "application/gzip"),
            (b"--b\r\n\r\n", "multipart/form-data"),
            (b"", "multipart/form-data; boundary=b"),
            (
                b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\ncut',
                "multipart/form-data; boundary=b",
            ),
            (b"--b\r\nNo-Disposition: x\r\n\r\n\r\n--b--\r\n", "multipart/form-data; boundary=b"),
            (b"--b\r\n" + b"X-Endless: x\r\n" * 200_000, "multipart/form-data; boundary=b"),
            (
                b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n\r\n' * 1001 + b"--b--",
                "multipart/form-data; boundary=b",
            ),
            (
                b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n' + b"x" * 1_100_000 + b"\r\n--b--\r\n",
                "multipart/form-data; boundary=b",
            ),
        ],
        ids=[
            "raw",
            "no-boundary",
            "empty",
            "cut",
            "no-disposition",
            "endless-headers",
            "too-many-parts",
            "vast-metadata",
        ],
    )
    def test_what_is_no_form_is_refused(self, ingress: Ingress, body: bytes, content_type: str) -> None:
        answer = raw(ingress.url, body, content_type)
        assert (answer.status_code, answer.text) == (400, "File or upload field not found")
        assert answer.headers[REQUEST_ID]

    def test_a_body_cut_by_the_network_is_not_kept(self, ingress: Ingress) -> None:
        name, body = batch()
        head, _, _ = prepared(ingress.url, body, name).partition(body)
        with socket.create_connection((urlsplit(ingress.url).hostname, urlsplit(ingress.url).port), 30) as client:
            client.sendall(head + body[:100])
            client.shutdown(socket.SHUT_WR)
            assert b" 400 " in client.recv(1000).partition(b"\r\n")[0]
        assert f"{name}.tar.gz" not in ingress.stored()

    def test_chunked_bodies_and_expectations(self, ingress: Ingress) -> None:
        name, body = batch()
        request = requests.Request("POST", ingress.url, files={"file": ("x", body, SERVICE)}).prepare()
        content = bytes(request.body or b"")
        client = http.client.HTTPConnection(urlsplit(ingress.url).netloc, timeout=30)
        headers = {"Content-Type": request.headers["Content-Type"], "Expect": "100-continue", REQUEST_ID: name}
        pieces = (content[at : at + 100] for at in range(0, len(content), 100))
        client.request("POST", "/upload", pieces, headers, encode_chunked=True)
        assert client.getresponse().status == 202
        client.close()
        assert (ingress.folder / f"{name}.tar.gz").read_bytes() == body


def prepared(url: str, body: bytes, batch_id: str) -> bytes:
    """A whole request as it goes over the wire."""
    request = requests.Request("POST", url, files={"file": ("x", body, SERVICE)}).prepare()
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST /upload HTTP/1.1\r\nHost: x\r\n{REQUEST_ID}: {batch_id}\r\n{headers}\r\n".encode() + bytes(
        request.body or b""
    )


class TestConnectionTest:
    def test_its_three_forms_store_nothing(self, ingress: Ingress) -> None:
        before = ingress.stored()
        for answer in (
            send(ingress.url + "?test=test", {"file": ("x", b"1", SERVICE)}),
            raw(ingress.url, b"test=test", "application/x-www-form-urlencoded"),
            raw(ingress.url, b'{ "test" : "test" }', "application/json"),
        ):
            assert answer.status_code == 200
            assert answer.json() == {"request_id": answer.headers[REQUEST_ID], "upload": {}}
        assert ingress.stored() == before

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"test=best", "application/x-www-form-urlencoded"),
            (b'{"test": "best"}', "application/json"),
            (b'{"test":"test"}', "application/json; charset=utf-8"),
            (b"\xff\xfe" * 9000, "application/x-www-form-urlencoded"),
        ],
    )
    def test_anything_else_is_no_test(self, ingress: Ingress, body: bytes, content_type: str) -> None:
        assert raw(ingress.url, body, content_type).status_code == 400

    def test_a_multipart_field_is_no_test(self, ingress: Ingress) -> None:
        answer = send(ingress.url, {"test": (None, "test"), "file": ("x", b"1", SERVICE)})
        assert answer.status_code == 202
        assert f"{answer.headers[REQUEST_ID]}.tar.gz" in ingress.stored()


class TestSize:
    def test_the_limit_itself_is_allowed(self, ingress: Ingress) -> None:
        assert send(ingress.url, {"file": ("x", b"x" * LIMIT, SERVICE)}).status_code == 202

    @pytest.mark.parametrize("size", [LIMIT + 1, 40 * LIMIT])
    def test_one_byte_more_is_not(self, ingress: Ingress, size: int) -> None:
        answer = send(ingress.url, {"file": ("x", b"x" * size, SERVICE)})
        assert answer.status_code == 413
        assert answer.text == f"File exceeds maximum file size ({LIMIT}) for upload: {size}"
        assert f"{answer.headers[REQUEST_ID]}.tar.gz" not in ingress.stored()
        assert ingress.drafts() == []

    def test_an_unknown_type_is_told_before_the_size(self, ingress: Ingress) -> None:
        assert send(ingress.url, {"file": ("x", b"x" * 2 * LIMIT, "x/y")}).status_code == 415


class TestMetadata:
    @pytest.mark.parametrize("text", ["{bad", "[]", "3", "\xff", "[" * 100_000])
    def test_what_is_no_object_counts_as_absent(self, ingress: Ingress, text: str) -> None:
        answer = send(ingress.url, {"file": ("x", b"1", "application/gzip"), "metadata": (None, text)})
        assert answer.status_code == 201
        assert ingress.told()[-1]["metadata"] is None

    def test_it_may_be_a_file_or_in_the_query(self, ingress: Ingress) -> None:
        text = json.dumps({"fqdn": "host.example", "custom_metadata": {"a": "b"}})
        for url, parts in (
            (ingress.url, {"metadata": ("m.json", text, "application/json")}),
            (ingress.url + "?metadata=" + requests.utils.quote(text), {}),
        ):
            answer = send(url, {"file": ("x", b"1", "application/gzip"), **parts})
            assert answer.status_code == 202
            assert ingress.told()[-1]["metadata"] == json.loads(text)


class TestToken:
    NOBODY = identity(type="User", org_id="1")

    @pytest.mark.parametrize(
        "header", [None, "Bearer", "Bearer wrong", "Basic old-secret", "old-secret", "Bearer \u00e9"]
    )
    def test_without_a_right_one(self, guarded: Ingress, header: str | None) -> None:
        name, body = batch()
        headers = {**self.NOBODY, **({"Authorization": header.encode()} if header else {})}
        answer = upload(guarded.url, body, name, 2, headers=headers)  # type: ignore[arg-type]  # requests sends bytes as they are
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.headers[REQUEST_ID] == name
        assert guarded.stored() == []

    def test_the_answer_reaches_a_client_that_is_still_sending(self, guarded: Ingress) -> None:
        answer = send(guarded.url, {"file": ("x", bytes(20_000_000), SERVICE)}, self.NOBODY)
        assert answer.status_code == 401

    def test_every_one_in_the_file_is_right_and_none_is_logged(self, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_text("old-secret\n")
        with Ingress(tmp_path / "store", "--token-file", str(token)) as ingress:
            statuses = []
            for content in ("old-secret\n", "old-secret\nnew-secret\n", "new-secret\n", ""):
                token.write_text(content)
                for secret in ("old-secret", "new-secret"):
                    name, body = batch()
                    answer = upload(ingress.url, body, name, 2, headers={"Authorization": f"Bearer {secret}"})
                    statuses.append(answer.status_code)
            assert statuses == [202, 401, 202, 202, 401, 202, 500, 500]
            assert not [line for line in ingress.log if "secret" in line]


class TestIdentity:
    @pytest.mark.parametrize(
        ("headers", "text"),
        [
            ({}, "missing x-rh-identity header"),
            ({"x-rh-identity": "%%%"}, "unable to b64 decode x-rh-identity header"),
            ({"x-rh-identity": "bm90IGpzb24="}, "x-rh-identity header does not contain valid JSON: "),
            ({"x-rh-identity": "W10="}, "x-rh-identity header has an invalid or missing org_id"),
            (identity(type="User"), "x-rh-identity header has an invalid or missing org_id"),
            (identity(type="User", org_id=7), "x-rh-identity header has an invalid or missing org_id"),
            (identity(type="X509", account_number="1"), "x-rh-identity header has an invalid or missing org_id"),
            (identity(org_id="1"), "x-rh-identity header is missing type"),
        ],
    )
    def test_each_fault_has_its_text(self, guarded: Ingress, headers: dict[str, str], text: str) -> None:
        name, body = batch()
        answer = upload(guarded.url, body, name, 2, headers={**TOKEN, **headers})
        assert answer.status_code == 400
        assert answer.text.startswith(f"Bad Request: {text}")
        assert answer.text.endswith("\n")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"type": "User", "org_id": "12"}, {"org_id": "12"}),
            (
                {"type": "System", "internal": {"org_id": "12"}, "account_number": "9"},
                {"account_number": "9", "org_id": "12"},
            ),
            ({"type": "Associate"}, {}),
            ({"type": "X509"}, {}),
        ],
    )
    def test_a_right_one_is_told(self, guarded: Ingress, fields: dict[str, object], told: dict[str, str]) -> None:
        name, body = batch()
        answer = upload(guarded.url, body, name, 2, headers={**TOKEN, **identity(**fields)})
        assert answer.status_code == 202
        assert answer.json()["upload"] == told
        assert guarded.told()[-1]["org_id"] == told.get("org_id", "")

    def test_health_under_the_prefix_needs_one(self, guarded: Ingress) -> None:
        assert requests.get(guarded.base + "/api/ingress/v1/", timeout=30).status_code == 400
        assert requests.get(guarded.base + "/", timeout=30).status_code == 200

    def test_one_that_is_not_required_must_be_right_nonetheless(self, ingress: Ingress) -> None:
        name, body = batch()
        assert upload(ingress.url, body, name, 2, headers={"x-rh-identity": "%%%"}).status_code == 400

    def test_only_registered_services(self, guarded: Ingress) -> None:
        headers = {**TOKEN, **identity(type="User", org_id="1")}
        for service, status in (("ols", 202), ("other", 415)):
            content_type = f"application/vnd.redhat.{service}.periodic+tar"
            assert send(guarded.url, {"file": ("x", b"1", content_type)}, headers).status_code == status
        assert send(guarded.url, {"file": ("x", b"1", "application/gzip")}, headers).status_code == 415


class TestArchive:
    """What says it is the collector's must be what it says."""

    @pytest.mark.parametrize(
        ("body", "records", "reason"),
        [
            (b"", 0, "cut short"),
            (b"nonsense" * 9, 0, "not sound gzip"),
            (archive({member(): b"{}"})[:-9], 1, "cut short"),
            (archive({"../../etc/passwd": b""}), 1, "not the name of a record"),
            (archive({"transcripts/.hidden.json": b""}), 1, "not the name of a record"),
            (special(tarfile.SYMTYPE, target="/etc/passwd"), 1, "not a regular file"),
            (archive({member(): b"{}"}), 2, "holds 1 records"),
        ],
    )
    def test_an_unsound_one_is_refused(self, ingress: Ingress, body: bytes, records: int, reason: str) -> None:
        name = str(uuid.uuid4())
        answer = upload(ingress.url, body, name, records)
        assert answer.status_code == 400
        assert reason in answer.text
        assert not [stored for stored in ingress.stored() if stored.startswith(name)]
        assert ingress.drafts() == []

    def test_other_bytes_than_the_digest_says(self, ingress: Ingress) -> None:
        name, body = batch()
        answer = upload(ingress.url, body, name, 2, sha256="0" * 64)
        assert answer.status_code == 400
        assert "sha256" in answer.text

    def test_the_notification_says_it_all(self, ingress: Ingress) -> None:
        name, body = batch()
        assert upload(ingress.url, body, name, 2).status_code == 202
        told = ingress.told()[-1]
        assert told["url"] == (ingress.folder / f"{name}.tar.gz").as_uri()
        assert (told["batch_id"], told["request_id"], told["records"], told["size"]) == (name, name, 2, len(body))
        assert told["sha256"] == told["metadata"]["custom_metadata"]["sha256"]
        assert told["conflicts_with"] is None


class TestRepeat:
    def test_the_same_batch_is_answered_again_and_kept_once(self, ingress: Ingress) -> None:
        name, body = batch()
        before = len(ingress.told())
        answers = [upload(ingress.url, body, name, 2) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 202]
        assert [stored for stored in ingress.stored() if name in stored] == [f"{name}.tar.gz"]
        assert len(ingress.told()) == before + 1

    def test_also_when_it_comes_eight_times_at_once(self, ingress: Ingress) -> None:
        name, body = batch()
        before = len(ingress.told())
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(upload(ingress.url, body, name, 2).status_code))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert statuses == [202] * 8
        assert len(ingress.told()) == before + 1
        assert ingress.drafts() == []

    def test_other_bytes_under_the_same_id_are_kept_beside_and_told(self, ingress: Ingress) -> None:
        name, first = batch()
        _, second = batch()
        before = len(ingress.told())
        assert upload(ingress.url, first, name, 2).status_code == 202
        for _ in range(2):
            answer = upload(ingress.url, second, name, 2)
            assert answer.status_code == 202
            assert "other bytes" in answer.json()["warning"]
        (beside,) = [
            stored for stored in ingress.stored() if stored.startswith(name + ".") and stored != f"{name}.tar.gz"
        ]
        assert (ingress.folder / f"{name}.tar.gz").read_bytes() == first
        assert (ingress.folder / beside).read_bytes() == second
        assert [told["conflicts_with"] for told in ingress.told()[before:]] == [None, f"{name}.tar.gz"]
        assert "warning" not in upload(ingress.url, first, name, 2).json()

    @pytest.mark.parametrize("batch_id", ["../../escape", "a/b", ".hidden", "", "x" * 300, "a.b", "\u00fc", "\ud800"])
    def test_an_odd_id_never_leaves_the_store(self, ingress: Ingress, batch_id: str) -> None:
        _, body = batch()
        before = set(ingress.folder.parent.iterdir())
        for _ in range(2):
            answer = upload(ingress.url, body, "odd", 2, headers={REQUEST_ID: "odd"}, batch_id=batch_id)
            assert answer.status_code == 202
        told = ingress.told()[-1]
        assert told["batch_id"] == (batch_id or "odd")
        assert Path(told["url"].removeprefix("file://").replace("%3D", "=")).parent == ingress.folder
        assert set(ingress.folder.parent.iterdir()) == before


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

"""Multipart bodies, good and broken, over HTTP."""

import http.client
import socket
from urllib.parse import urlsplit

import pytest
import requests

from tests.fakes.archives import SERVICE, batch, raw, send
from tests.fakes.reference_ingress import REQUEST_ID, Ingress


def test_the_part_may_be_called_upload(ingress: Ingress) -> None:
    assert send(ingress.url, {"upload": ("x", b"1", SERVICE)}).status_code == 202


def test_file_comes_before_upload_wherever_it_stands(ingress: Ingress) -> None:
    parts = [("upload", ("x", b"first", SERVICE)), ("file", ("x", b"second!", SERVICE))]
    for ordered in (parts, parts[::-1]):
        answer = send(ingress.url, ordered)
        assert answer.status_code == 202
        assert (ingress.folder / f"{answer.headers[REQUEST_ID]}.tar.gz").read_bytes() == b"second!"


def test_the_first_of_two_files_wins(ingress: Ingress) -> None:
    answer = send(ingress.url, [("file", ("x", b"first", SERVICE)), ("file", ("x", b"other", SERVICE))])
    assert answer.status_code == 202
    assert (ingress.folder / f"{answer.headers[REQUEST_ID]}.tar.gz").read_bytes() == b"first"


@pytest.mark.parametrize("parts", [{"file": (None, b"x", SERVICE)}, {"file": ("", b"x")}, {"other": ("x", b"x")}])
def test_without_a_named_file_there_is_no_file(ingress: Ingress, parts: dict[str, object]) -> None:
    answer = send(ingress.url, parts)
    assert (answer.status_code, answer.text) == (400, "File or upload field not found")


def test_any_bytes_arrive_as_they_were(ingress: Ingress) -> None:
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
def test_what_is_no_form_is_refused(ingress: Ingress, body: bytes, content_type: str) -> None:
    answer = raw(ingress.url, body, content_type)
    assert (answer.status_code, answer.text) == (400, "File or upload field not found")
    assert answer.headers[REQUEST_ID]


def test_a_body_cut_by_the_network_is_not_kept(ingress: Ingress) -> None:
    name, body = batch()
    head, _, _ = prepared(ingress.url, body, name).partition(body)
    with socket.create_connection((urlsplit(ingress.url).hostname, urlsplit(ingress.url).port), 30) as client:
        client.sendall(head + body[:100])
        client.shutdown(socket.SHUT_WR)
        assert b" 400 " in client.recv(1000).partition(b"\r\n")[0]
    assert f"{name}.tar.gz" not in ingress.stored()


def test_chunked_bodies_and_expectations(ingress: Ingress) -> None:
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

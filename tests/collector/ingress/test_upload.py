"""What becomes of a payload: types, connection test, limits, metadata, verification, repeats. Over HTTP."""

import json
import tarfile
import threading
import uuid
from pathlib import Path

import pytest
import requests

from tests.fakes.archives import SERVICE, archive, batch, identity, member, raw, send, special, upload
from tests.fakes.reference_ingress import LIMIT, REQUEST_ID, Ingress

TOKEN = {"Authorization": "Bearer new-secret"}


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
    @pytest.mark.parametrize("text", ["{bad", "[]", "3", "\xff", "[" * 100_000, '{"a": NaN}', '{"a": 1e999}'])
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

    def test_what_it_says_makes_no_lines_of_its_own(self, ingress: Ingress) -> None:
        name, body = batch()
        answer = upload(ingress.url, body, name, 2, sha256="0\n2026-01-01 INFO took all")
        assert (answer.status_code, answer.text.count("\n")) == (400, 1)

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


def test_only_registered_services(guarded: Ingress) -> None:
    headers = {**TOKEN, **identity(type="User", org_id="1")}
    for service, status in (("ols", 202), ("other", 415)):
        content_type = f"application/vnd.redhat.{service}.periodic+tar"
        assert send(guarded.url, {"file": ("x", b"1", content_type)}, headers).status_code == status
    assert send(guarded.url, {"file": ("x", b"1", "application/gzip")}, headers).status_code == 415

"""The ingress with a bucket behind it, and the data team reading from there; the bucket is moto's, over HTTP."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.archives import batch, upload
from tests.fakes.daemon import ROOT, Process
from tests.fakes.reference_ingress import COMMAND, Ingress
from tests.fakes.s3 import S3


class BucketIngress(Ingress):
    def __init__(self, state: Path, place: str, s3: S3) -> None:
        super().__init__(state, "--store", place, "--state", str(state), environ=s3.environ)


@pytest.fixture
def place(s3: S3) -> str:
    return s3.new_place()


def objects(s3: S3, place: str) -> dict[str, bytes]:
    bucket = place.split("/")[2]
    client = s3.client()
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def test_payloads_are_put_once_under_their_batch(tmp_path: Path, s3: S3, place: str) -> None:
    name, body = batch()
    with BucketIngress(tmp_path, place, s3) as ingress:
        assert [upload(ingress.url, body, name, 2).status_code for _ in range(2)] == [202, 202]
        assert objects(s3, place) == {f"in/coming/{name}.tar.gz": body}
        (told,) = ingress.told()
        assert told["url"] == f"{place}/{name}.tar.gz"
        head = s3.client().head_object(Bucket=place.split("/")[2], Key=f"in/coming/{name}.tar.gz")
        assert head["ContentType"] == "application/gzip"
        assert head["Metadata"]["sha256"] == told["sha256"]
        assert head["Metadata"]["batch-id"] == name
        assert sorted(tmp_path.glob(".*.draft")) == []


def test_other_bytes_and_foreign_objects_are_never_overwritten(tmp_path: Path, s3: S3, place: str) -> None:
    name, first = batch()
    foreign, second = batch()
    s3.client().put_object(Bucket=place.split("/")[2], Key=f"in/coming/{foreign}.tar.gz", Body=b"foreign")
    with BucketIngress(tmp_path, place, s3) as ingress:
        assert upload(ingress.url, first, name, 2).status_code == 202
        assert "warning" in upload(ingress.url, second, name, 2).json()
        assert "warning" in upload(ingress.url, second, foreign, 2).json()
        kept = objects(s3, place)
        assert kept[f"in/coming/{name}.tar.gz"] == first
        assert kept[f"in/coming/{foreign}.tar.gz"] == b"foreign"
        assert sorted(kept.values()).count(second) == 2
        assert len(ingress.told()) == 3


def test_a_bucket_that_goes_away_is_a_500_and_nothing_is_told(tmp_path: Path, s3: S3, place: str) -> None:
    name, body = batch()
    bucket = place.split("/")[2]
    with BucketIngress(tmp_path, place, s3) as ingress:
        s3.client().delete_bucket(Bucket=bucket)
        assert upload(ingress.url, body, name, 2).status_code == 500
        assert ingress.told() == []
        s3.client().create_bucket(Bucket=bucket)
        assert upload(ingress.url, body, name, 2).status_code == 202
        assert len(ingress.told()) == 1


def test_what_was_put_just_before_a_crash_is_told_at_the_next_start(tmp_path: Path, s3: S3, place: str) -> None:
    name, body = batch()
    with BucketIngress(tmp_path, place, s3) as ingress:
        upload(ingress.url, body, name, 2)
        line = ingress.notifications.read_bytes()
    (tmp_path / ".intentions" / f"{name}.tar.gz.json").write_bytes(line)
    (tmp_path / ".intentions" / "never-stored.tar.gz.json").write_bytes(line)
    ingress.notifications.unlink()
    with BucketIngress(tmp_path, place, s3) as ingress:
        assert [told["batch_id"] for told in ingress.told()] == [name]


def test_a_bucket_that_cannot_be_used_ends_the_start(tmp_path: Path, s3: S3) -> None:
    command = [*COMMAND, "ingress", "--store", "s3://no-such-bucket/x", "--state", str(tmp_path)]
    with Process(command, s3.environ) as process:
        assert process.wait() == 69
        process.wait_for("s3://no-such-bucket/x/: .*404")


@pytest.mark.parametrize("options", [["ingress", "--store", "s3://b", "--state"], ["unpack", "s3://b", "--to"]])
def test_without_boto3_it_says_what_to_install(tmp_path: Path, options: list[str]) -> None:
    program = "import sys; sys.modules['boto3'] = None; from lightspeed_collector import __main__; __main__.run()"
    command = [sys.executable, "-c", program, *options, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 69
    assert "pip install 'lightspeed-stack[s3]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_data_team_unpacks_from_there(tmp_path: Path, s3: S3, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with BucketIngress(tmp_path / "state", place, s3) as ingress:
        names = []
        for _ in range(2):
            name, body = batch()
            names.append(name)
            assert upload(ingress.url, body, name, 2).status_code == 202
    for key, value in s3.environ.items():
        monkeypatch.setenv(key, value)
    lines = subprocess.run([*COMMAND, "unpack", place], capture_output=True, text=True, cwd=ROOT)
    assert lines.returncode == 0, lines.stderr
    batches = [json.loads(line)["batch_id"] for line in lines.stdout.splitlines()]
    assert batches == [name for name in sorted(names) for _ in range(2)]
    command = [*COMMAND, "unpack", place, "--to", str(tmp_path / "out")]
    for new in (4, 0):
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0
        assert f"{new} records new" in done.stderr
    gone = subprocess.run([*command[:4], "s3://no-such-bucket"], capture_output=True, text=True, cwd=ROOT)
    assert gone.returncode == 69
    assert len(gone.stderr.splitlines()) == 1


def test_an_object_that_can_not_be_had_stops_no_other(tmp_path: Path, s3: S3, place: str) -> None:
    name, body = batch()
    client, bucket = s3.client(), place.split("/")[2]
    client.put_object(Bucket=bucket, Key="in/coming/0.tar.gz", Body=body, StorageClass="GLACIER")
    client.put_object(Bucket=bucket, Key=f"in/coming/{name}.tar.gz", Body=body)
    command = [*COMMAND, "unpack", place, "--to", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **s3.environ})
    assert done.returncode == 69
    assert f"{place}/0.tar.gz: An error occurred (InvalidObjectState)" in done.stderr
    assert "2 records new" in done.stderr

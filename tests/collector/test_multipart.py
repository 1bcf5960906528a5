import email
import email.policy
import hashlib
import json
import os
from email.message import EmailMessage
from pathlib import Path

import pytest

from lightspeed_collector.batch import Batch, Identity
from lightspeed_collector.multipart import Upload, content_type


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 1_000_000])
def test_body_is_what_it_says(tmp_path: Path, size: int) -> None:
    archive = tmp_path / "abc.tar.gz"
    content = os.urandom(size)
    archive.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    batch = Batch("abc", sha256, size, ("transcripts/a", "feedback/b"), (Identity(2, 3, 4),) * 2)
    told: list[int] = []
    upload = Upload(batch, archive, "lightspeed", told.append)
    body = b"".join(upload)
    assert len(upload) == len(body) == len(b"".join(upload))
    assert told[-1:] == ([size] if size else [])
    message = email.message_from_bytes(
        f"Content-Type: {upload.content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    metadata, file = message.iter_parts()  # type: ignore[attr-defined]
    assert isinstance(file, EmailMessage)
    assert json.loads(metadata.get_content()) == {
        "custom_metadata": {"batch_id": "abc", "records": "2", "sha256": sha256}
    }
    assert file.get_filename() == "abc.tar.gz"
    assert file["content-type"] == "application/vnd.redhat.lightspeed.periodic+tar"
    assert file.get_payload(decode=True) == content


def test_part_without_a_service_is_plain_gzip() -> None:
    assert content_type(None) == "application/gzip"

"""Archives as the collector makes them and as it never would, and uploads of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
import json
import tarfile
import uuid
from collections.abc import Mapping
from typing import Any

import requests

SERVICE = "application/vnd.redhat.lightspeed.periodic+tar"
_numbers = itertools.count()


def member(kind: str = "transcripts") -> str:
    """The name of a member that no other call returns."""
    return f"{kind}/20250804T165952.{next(_numbers):06d}Z_{uuid.uuid4()}_5f3a9c1e.json"


def archive(members: Mapping[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def batch() -> tuple[str, bytes]:
    """A new batch id and an archive of two records."""
    return str(uuid.uuid4()), archive({member(): b"{}", member("feedback"): b"{}"})


def special(kind: bytes, name: str | None = None, target: str = "") -> bytes:
    """An archive with one member of a kind (tarfile.SYMTYPE, ...) that is no record."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo(name or member())
        info.type = kind
        info.linkname = target
        tar.addfile(info)
    return gzip.compress(packed.getvalue(), mtime=0)


def metadata(body: bytes, batch_id: str, records: int, /, **others: str) -> str:
    custom = {"batch_id": batch_id, "records": str(records), "sha256": hashlib.sha256(body).hexdigest(), **others}
    return json.dumps({"custom_metadata": custom})


def identity(**fields: object) -> dict[str, str]:
    """The header that a gateway adds."""
    return {"x-rh-identity": base64.b64encode(json.dumps({"identity": fields}).encode()).decode()}


def upload(
    url: str, body: bytes, batch_id: str, records: int, /, *, headers: Mapping[str, str] | None = None, **others: str
) -> requests.Response:
    """Send an archive as the collector does; `others` replace what its metadata says."""
    return send(
        url,
        {
            "file": (f"{batch_id}.tar.gz", body, SERVICE),
            "metadata": (None, metadata(body, batch_id, records, **others)),
        },
        {"x-rh-insights-request-id": batch_id, **(headers or {})},
    )


def send(url: str, parts: Any, headers: Mapping[str, str] | None = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, files=parts, headers=headers, timeout=30, allow_redirects=False)


def raw(url: str, body: bytes, content_type: str) -> requests.Response:
    return requests.post(url, data=body, headers={"Content-Type": content_type}, timeout=30)

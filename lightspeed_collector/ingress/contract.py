"""The rules of the upload contract: what a part's content type, a request id and the metadata mean.

Values in, values out; it touches neither the network nor the disk.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs

PREFIXES = ("/api/ingress/v1", "/r/insights/platform/ingress/v1")
UPLOADS = (*(f"{prefix}/upload" for prefix in PREFIXES), "/upload")
REQUEST_ID = "x-rh-insights-request-id"
NO_FILE = "File or upload field not found"

_GZIP = ("application/gzip", "application/gzip; charset=binary", "application/x-gzip; charset=binary")
_VENDOR = re.compile(r"application/vnd\.redhat\.([a-z0-9-]+)\.([a-z0-9-]+).*")
_REQUEST_ID = re.compile(r"[!-~]{1,200}")
_PLAIN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")
_JSON_TEST = re.compile(rb'\{\s*"test"\s*:\s*"test"\s*\}')


class Kind(NamedTuple):
    service: str
    category: str


def classify(content_type: str) -> Kind | None:
    """The service that a part's content type names; the vendor pattern is unanchored and case-sensitive."""
    if content_type in _GZIP:
        return Kind("advisor", "upload")
    match = _VENDOR.search(content_type)
    return Kind(match[1], match[2]) if match else None


@dataclass(frozen=True)
class Rules:
    """What this ingress takes. `services` empty means that every one is known."""

    max_size: int
    services: frozenset[str]
    require_identity: bool

    def kind(self, content_type: str) -> Kind | None:
        """What a payload of this type is, None when it is not taken."""
        kind = classify(content_type)
        return kind if kind and (not self.services or kind.service in self.services) else None

    def size_fault(self, size: int) -> str | None:
        if size <= self.max_size:
            return None
        return f"File exceeds maximum file size ({self.max_size}) for upload: {size}"


def request_id(sent: str | None) -> str:
    """The client's id when it is printable and of a sane length, else a new one."""
    return sent if sent and _REQUEST_ID.fullmatch(sent) else str(uuid.uuid4())


def is_body_test(content_type: str, body: bytes) -> bool:
    if content_type == "application/json":
        return bool(_JSON_TEST.search(body))
    return parse_qs(body.decode("latin-1")).get("test", [""])[0] == "test"


def metadata(raw: bytes | None) -> Mapping[str, Any] | None:
    """The JSON object in the metadata field. Anything else counts as absent: the upload succeeds all the same."""
    try:
        value = json.loads(raw or b"null")
        json.dumps(value, allow_nan=False)  # what Python reads and JSON can't say must not reach a notification
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True)
class Claim:
    """What the collector says of its archive."""

    batch_id: str
    sha256: str
    records: str | None

    def fault(self, sha256: str, records: int) -> str | None:
        """Why an archive with this digest and number of records isn't the one claimed."""
        if self.sha256.lower() != sha256:
            return f"its sha256 is {sha256}, the metadata says {self.sha256[:80]!a}"
        if self.records not in (None, str(records)):
            return f"it holds {records} records, the metadata says {self.records[:80]!a}"
        return None


def claim(data: Mapping[str, Any] | None) -> Claim | None:
    """The claim in the metadata, None when the archive isn't the collector's."""
    custom = (data or {}).get("custom_metadata")
    if not isinstance(custom, dict):
        return None
    batch_id, sha256, records = (custom.get(key) for key in ("batch_id", "sha256", "records"))
    if not isinstance(batch_id, str) or not batch_id or not isinstance(sha256, str):
        return None
    return Claim(batch_id, sha256, None if records is None else str(records))


def stem(batch_id: str) -> str:
    """The id as the first part of a file name. It never holds a dot; an id unfit for that is hashed."""
    if _PLAIN_ID.fullmatch(batch_id):
        return batch_id
    return "sha256=" + hashlib.sha256(batch_id.encode("utf-8", "surrogatepass")).hexdigest()


def names(batch_id: str, sha256: str) -> tuple[str, str]:
    """The name to store a batch under, and the one beside it for other bytes under the same id."""
    return f"{stem(batch_id)}.tar.gz", f"{stem(batch_id)}.{sha256[:16]}.tar.gz"

"""A store in an S3 bucket (AWS, Ceph, MinIO). An object is put only where none is: If-None-Match (RFC 9110, 13.1.2).

Credentials, region and endpoint are boto3's own: environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3, ...) and files.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lightspeed_collector.ingress.draft import Draft
from lightspeed_collector.ingress.store import SUFFIX, PayloadError, StoreError

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError as error:
    raise StoreError("s3:// needs boto3: pip install 'lightspeed-stack[s3]'") from error

_DIGEST = "sha256"


class Bucket:
    def __init__(self, url: str) -> None:
        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        with _translated(url):
            self._client: Any = boto3.client("s3", config=_config())

    def check(self, drafts: Path) -> None:
        with _translated(self.url("")):
            self._client.head_bucket(Bucket=self._bucket)

    def add(self, name: str, draft: Draft, about: Mapping[str, str]) -> bool:
        digest = draft.sha256
        with draft.path.open("rb") as body, _translated(self.url(name)):
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._prefix + name,
                    Body=body,
                    ContentType="application/gzip",
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(digest)).decode(),
                    Metadata={**about, _DIGEST: digest},
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if _code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                    return False
                raise
        return True

    def digest(self, name: str) -> str | None:
        """As told in the object's metadata; "" for an object that this program did not put there."""
        with _translated(self.url(name)):
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
            except ClientError as error:
                if _code(error) in ("404", "NoSuchKey", "NotFound"):
                    return None
                raise
        return str(head["Metadata"].get(_DIGEST, ""))

    def url(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"

    def names(self) -> Iterator[str]:
        with _translated(self.url("")):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
            )
            for page in pages:
                keys = (entry["Key"].removeprefix(self._prefix) for entry in page.get("Contents", ()))
                yield from (name for name in keys if name.endswith(SUFFIX) and not name.startswith("."))

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with _translated(self.url(name)):
            body = self._object(name)
        try:
            yield body
        except BotoCoreError as error:
            raise PayloadError(f"{self.url(name)}: {error}") from error
        finally:
            body.close()

    def _object(self, name: str) -> Any:
        try:
            return self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
        except ClientError as error:
            raise PayloadError(f"{self.url(name)}: {error}") from error


def _config() -> Config:
    """Checksums only where we give them (older Cephs refuse others), and an end to waiting while a client waits for us."""
    return Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"total_max_attempts": 2, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreError(f"{url}: {error}") from error

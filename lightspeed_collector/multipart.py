"""The body of an upload: multipart/form-data (RFC 7578) with the metadata and the archive, streamed from the disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from lightspeed_collector.batch import Batch
from lightspeed_collector.errors import StateError

_PIECE = 256 * 1024


class Upload:
    """Iterated, it gives the body in pieces; its length is known before. It can be iterated again."""

    def __init__(self, batch: Batch, archive: Path, service: str | None, sent: Callable[[int], None]) -> None:
        """`sent` is told how many bytes of the archive were handed out so far."""
        self._archive = archive
        self._sha256 = batch.sha256
        self._sent = sent
        self._boundary = f"batch-{batch.id}"
        self._head = b"".join(
            (
                self._part('name="metadata"', "application/json"),
                json.dumps({"custom_metadata": _metadata(batch)}).encode(),
                b"\r\n",
                self._part(f'name="file"; filename="{archive.name}"', content_type(service)),
            )
        )
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()
        self._length = len(self._head) + batch.archive_bytes + len(self._tail)

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        done = 0
        for piece in self._pieces():
            yield piece
            done += len(piece)
            self._sent(done)
        yield self._tail

    def _pieces(self) -> Iterator[bytes]:
        """Raises `StateError`: what keeps the archive from being read is not the network's fault.

        The last piece is held back until all are known to be the bytes that were claimed: no others ever arrive whole.
        """
        digest, held = sha256(), b""
        try:
            with self._archive.open("rb", buffering=0) as file:
                while piece := file.read(_PIECE):
                    if held:
                        yield held
                    digest.update(piece)
                    held = piece
        except OSError as error:
            raise StateError(f"{self._archive}: {error.strerror}") from error
        if digest.hexdigest() != self._sha256:
            raise StateError(f"{self._archive}: damaged, its records are archived again by the next run")
        if held:
            yield held

    def _part(self, disposition: str, kind: str) -> bytes:
        lines = (
            f"--{self._boundary}",
            f"Content-Disposition: form-data; {disposition}",
            f"Content-Type: {kind}",
            "",
            "",
        )
        return "\r\n".join(lines).encode()


def content_type(service: str | None) -> str:
    """The part's type tells the ingress whose data it is; without a service it is plain gzip."""
    return f"application/vnd.redhat.{service}.periodic+tar" if service else "application/gzip"


def _metadata(batch: Batch) -> dict[str, str]:
    return {"batch_id": batch.id, "records": str(len(batch.members)), "sha256": batch.sha256}

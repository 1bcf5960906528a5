"""Records as JSON lines, each record once. It keeps 16 bytes of every record in memory to know repeats.

A record stands in its line only when it is JSON, which is found out by reading it whole: one over 128 MiB is left out.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import IO, Self

from lightspeed_collector.ingress.folder import digester
from lightspeed_collector.ingress.reading import Record

_LONGEST = 128 << 20
_BLANKS = bytes.maketrans(b"\r\n", b"  ")


class NoLine(Exception):
    """The record can't stand in a line of JSON."""


class Lines:
    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._seen: set[bytes] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.flush()

    def has(self, payload: str) -> bool:
        return False

    def finish(self, payload: str) -> None:
        pass

    def add(self, record: Record, batch_id: str) -> bool:
        """False when this very record was added before; raises `NoLine`, and what its pieces raise."""
        if record.size > _LONGEST:
            raise NoLine(f"{record.kind}/{record.name} is too large for a line ({record.size} bytes): --to unpacks it")
        content = b"".join(record.pieces)
        known = digester(record)
        known.update(content)
        key = known.digest()
        if key in self._seen:
            return False
        head = {"kind": record.kind, "name": record.name, "batch_id": batch_id}
        self._out.write(json.dumps(head)[:-1].encode() + b', "record": ' + _one_line(record, content) + b"}\n")
        self._seen.add(key)
        return True


def _one_line(record: Record, content: bytes) -> bytes:
    """The record as it is; a line break in JSON (RFC 8259) can only be white space."""
    try:
        json.loads(content.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NoLine(f"{record.kind}/{record.name} is not JSON: {error}") from None
    return content.strip().translate(_BLANKS)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON value")

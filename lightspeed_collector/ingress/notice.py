"""What is told of a payload: the keys of a notification and what an object store keeps beside it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lightspeed_collector.ingress import contract
from lightspeed_collector.ingress.contract import Claim, Kind
from lightspeed_collector.ingress.identity import Identity


@dataclass(frozen=True)
class Arrival:
    """A payload that has passed every check; `records` is None unless the collector made it."""

    request_id: str
    sender: Identity
    content_type: str
    kind: Kind
    metadata: Mapping[str, Any] | None
    claim: Claim | None
    size: int
    sha256: str
    records: int | None

    @property
    def batch_id(self) -> str:
        return self.claim.batch_id if self.claim else self.request_id


def notification(arrival: Arrival, now: datetime) -> dict[str, Any]:
    return {
        "time": now.isoformat(),
        "request_id": arrival.request_id,
        "batch_id": arrival.batch_id,
        "service": arrival.kind.service,
        "category": arrival.kind.category,
        "content_type": arrival.content_type,
        "size": arrival.size,
        "sha256": arrival.sha256,
        "records": arrival.records,
        "account": arrival.sender.account,
        "org_id": arrival.sender.org_id,
        "metadata": arrival.metadata,
    }


def labels(arrival: Arrival) -> dict[str, str]:
    """Printable ASCII only."""
    return {
        "request-id": arrival.request_id,
        "batch-id": contract.stem(arrival.batch_id),
        "service": arrival.kind.service,
        "category": arrival.kind.category,
    }

"""What metrics can't learn from things that happen: how full the spools are, which models there are. Looked up at
each scrape, cheaply: spools and providers keep what they found for a while.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.spool import SpoolError

if TYPE_CHECKING:
    from lightspeed_stack.config import Inference
    from lightspeed_stack.metrics import Metrics
    from lightspeed_stack.providers import Registry
    from lightspeed_stack.spool import Spool

log = logging.getLogger(__name__)


class Gauges:
    def __init__(self, metrics: Metrics, spools: Mapping[str, Spool], registry: Registry, inference: Inference) -> None:
        self._metrics = metrics
        self._spools = spools
        self._registry = registry
        self._default = (inference.default_provider, inference.default_model)

    def refresh(self) -> None:
        """A part that can't be looked up keeps its old values."""
        for kind, spool in self._spools.items():
            try:
                self._spool(kind, spool)
            except SpoolError as error:
                log.warning("how full a spool is can't be told: %s", error)
        try:
            self._models()
        except errors.Error as error:
            log.warning("which models there are can't be told: %s", error)

    def _spool(self, kind: str, spool: Spool) -> None:
        records, size, oldest = spool.usage()
        age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
        self._metrics.spool(kind, records, size, max(0.0, age))

    def _models(self) -> None:
        for model in self._registry.models():
            default = (model.provider, model.name) == self._default
            self._metrics.model(model.provider, model.name, default=default)

"""`run --interval`: the same run again and again in the foreground, for containers and for trying out, until SIGTERM.

The configuration is read anew before each run; one that has become faulty is reported and the last good one kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from lightspeed_collector.config import Config
from lightspeed_collector.errors import Stopped
from lightspeed_collector.stop import Stop
from lightspeed_stack.daemon import exits
from lightspeed_stack.daemon.config import ConfigError
from lightspeed_stack.daemon.notify import Notifier

log = logging.getLogger(__name__)


def repeat(
    load: Callable[[], Config], once: Callable[[Config], int], seconds: float | None, stop: Stop, notifier: Notifier
) -> int:
    """`seconds` from the start of a run to the start of the next; None takes the configuration's.

    A collector that is disabled has nothing to wait for: it ends, as a single run does.
    """
    config = load()
    notifier.ready("Waiting for records")
    while not stop.requested:
        began = time.monotonic()
        once(config)
        if not config.data_collector.enabled:
            break
        interval = seconds or config.data_collector.collection_interval
        try:
            stop.sleep(max(0.0, began + interval - time.monotonic()))
        except Stopped:
            break
        config = _reload(load, config)
    notifier.stopping()
    return exits.OK


def _reload(load: Callable[[], Config], config: Config) -> Config:
    try:
        return load()
    except ConfigError as error:
        for fault in error.faults:
            log.error("the configuration is kept as it was: %s", fault)
        return config

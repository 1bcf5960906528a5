"""Which processor a worker keeps to.

The threads of one Python process run one at a time. They hand over to each other several times in a request, and
between two processors that costs more than what a second one could do meanwhile: the kernel's part of system calls.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable

log = logging.getLogger(__name__)


def least_used(taken: Iterable[int | None]) -> int:
    """Of the processors that this process may run on, one that the fewest of `taken` name."""
    count = Counter(taken)
    return min(sorted(os.sched_getaffinity(0)), key=lambda processor: count[processor])


def keep_to(processor: int) -> None:
    """Run this process and the threads it will start on one processor; where that is forbidden, on any."""
    try:
        os.sched_setaffinity(0, {processor})
    except OSError as error:
        log.info("can't keep a worker to processor %d: %s", processor, error.strerror)

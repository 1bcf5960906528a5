"""Lets file permissions bind us even when the tests run as root."""

from __future__ import annotations

import os

BOUND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")


def bound() -> tuple[str, ...]:
    """What to put before a command so that permissions mean something to it."""
    return BOUND if os.geteuid() == 0 else ()

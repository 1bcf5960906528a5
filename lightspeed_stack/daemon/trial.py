"""Try what may fail, or leave something behind, in a process of its own: here nothing of it happens.

To be called where there is one thread. What goes wrong there comes back as faults; it is killed when it takes too long.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from lightspeed_stack.daemon.config import ConfigError, Fault

log = logging.getLogger(__name__)


def run(attempt: Callable[[], None], seconds: float) -> None:
    """Raises `ConfigError`."""
    told, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        _try(attempt, telling)
    os.close(telling)
    with open(told, "rb") as answers:
        answer = _read(answers.fileno(), time.monotonic() + seconds)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # it has said all that it has to say
    os.waitpid(child, 0)
    faults = json.loads(answer) if answer else [("", "", f"it could not be tried within {seconds:g} seconds")]
    if faults:
        raise ConfigError(*(Fault(*fault) for fault in faults))


def _read(source: int, deadline: float) -> bytes:
    """Up to the end, nothing when that doesn't come in time."""
    answer, ready = b"", select.poll()
    ready.register(source, select.POLLIN)
    while ready.poll(max(0, 1000 * (deadline - time.monotonic()))):
        piece = os.read(source, 65536)
        if not piece:
            return answer
        answer += piece
    return b""


def _try(attempt: Callable[[], None], telling: int) -> NoReturn:
    try:
        _forget_handlers()
        answer = json.dumps(_faults(attempt)).encode()
        while answer:
            answer = answer[os.write(telling, answer) :]
    finally:
        os._exit(0)


def _faults(attempt: Callable[[], None]) -> tuple[Fault, ...]:
    try:
        attempt()
    except ConfigError as error:
        return error.faults
    except OSError as error:
        return (Fault(str(error.filename or ""), "", error.strerror or str(error)),)
    except Exception as error:
        log.error("a worker can't start with it", exc_info=error)
        return (Fault("", "", f"a worker can't start with it: {type(error).__name__}"),)
    return ()


def _forget_handlers() -> None:
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)

"""The mixture of faults that a soak puts between the collector and a real ingress.

A behaviour that stores hands the upload to the real ingress, so an acceptance is only ever told of what it took.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import NamedTuple

from tests.fakes import ingress_faults as faults
from tests.fakes.ingress_faults import Behaviour

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
PEACE_SECONDS = 61
_LOGIN = b"<html><title>Sign in</title></html>"


class Fault(NamedTuple):
    name: str
    weight: float
    make: Callable[[random.Random], Behaviour]


def _answers(status: int, weight: float, *headers: str, store: bool = False) -> Fault:
    name = f"{status}{' after storing' if store else ''}"
    return Fault(name, weight, lambda dice: faults.answer(status, *headers, body=_LOGIN, store=store))


def _later(status: int, weight: float) -> Fault:
    def make(dice: random.Random) -> Behaviour:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=dice.choice([-5, 1, 2])), usegmt=True)
        said = dice.choice(["", "Retry-After: 0", "Retry-After: 1", f"Retry-After: {date}", "Retry-After: soon"])
        return faults.answer(status, *filter(None, [said]))

    return Fault(f"{status} with Retry-After", weight, make)


def _both(name: str, weight: float, make: Callable[[bool], Behaviour]) -> list[Fault]:
    """With the upload stored, and not."""
    return [
        Fault(f"{name}, stored", weight, lambda dice: make(True)),
        Fault(f"{name}, not stored", weight / 2, lambda dice: make(False)),
    ]


MIXTURE = [
    _answers(200, 0.8),
    _answers(301, 0.8, "Location: http://127.0.0.1:9/"),
    _answers(400, 1.5),
    _answers(401, 2),
    _answers(403, 0.8),
    _answers(404, 0.8),
    _answers(413, 2),
    _answers(415, 0.8),
    _later(429, 2),
    _answers(500, 1),
    _answers(500, 1, store=True),
    _answers(502, 1),
    _answers(502, 1, store=True),
    _later(503, 2),
    _answers(504, 1),
    _answers(504, 1, store=True),
    Fault("early 401", 0.7, lambda dice: faults.early(401)),
    Fault("early 503", 1, lambda dice: faults.early(503)),
    Fault("reset in the head", 1, lambda dice: faults.reset_after(0)),
    Fault("reset in the body", 1.5, lambda dice: faults.reset_after(dice.randrange(60_000))),
    Fault("close in the body", 1, lambda dice: faults.drop_request),
    *_both("reset instead of an answer", 2, faults.reset_response),
    *_both("close instead of an answer", 2, faults.drop_response),
    *_both("silence instead of an answer", 1, faults.stall_response),
    *_both("answer without an end to its head", 0.6, lambda store: faults.endless_head(0.05, store)),
    *_both("garbage", 1, lambda store: faults.raw(b"\x00\xffSSH-2.0-OpenSSH_9.2p1\r\n\r\n", store)),
    *_both("half a status line", 1, lambda store: faults.raw(b"HTTP/1.1 2", store)),
    Fault("upload never read", 0.7, lambda dice: faults.stall_request),
    Fault("acceptance in drips", 1, lambda dice: faults.drip(ACCEPTED, 0.005)),
    Fault("acceptance in drips past the deadline", 0.5, lambda dice: faults.drip(ACCEPTED, 0.2)),
    Fault("acceptance without an end to its body", 0.3, lambda dice: faults.endless_body),
    Fault("201 with a strange body", 1, lambda dice: faults.answer(201, body=_LOGIN, store=True)),
    Fault("202 with a broken length", 0.5, lambda dice: faults.raw(ACCEPTED.replace(b": 2", b": 200"), store=True)),
]

PEACE = Fault("429 for a minute", 0.1, lambda dice: faults.answer(429, f"Retry-After: {PEACE_SECONDS}"))


def choose(dice: random.Random, share: float, *, peace: bool) -> Fault | None:
    """A fault in `share` of all cases; `peace` admits the one that keeps the collector waiting for a minute."""
    if dice.random() >= share:
        return None
    among = [*MIXTURE, PEACE] if peace else MIXTURE
    return dice.choices(among, [fault.weight for fault in among])[0]

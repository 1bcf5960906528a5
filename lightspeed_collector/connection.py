"""The command `test-connection`: the ingress's own connection test, which stores nothing.

It reaches the ingress as an upload does; what an ingress looks at in an upload alone, the service name above all, it can't tell.
"""

from __future__ import annotations

import time

from lightspeed_collector import answers
from lightspeed_collector.answers import Meaning
from lightspeed_collector.courier import Courier, understood
from lightspeed_collector.errors import Busy, Refused
from lightspeed_collector.exchange import Exchange, Unreachable, Unusable

_NOT_TOLD = "not part of the test: ingress_content_service_name; whether it is known there, the first batch tells"
_FORM = "application/x-www-form-urlencoded"


def test(url: str, courier: Courier, exchange: Exchange) -> str:
    """Lines for people; raises `Refused`, `Busy`, `Misconfigured`."""
    headers = {**courier.headers(), "Content-Type": _FORM}
    began = time.monotonic()
    try:
        reply = exchange.post(url, headers, b"test=test")
    except Unreachable as error:
        raise Busy(f"the ingress: {error}") from error
    except Unusable as error:
        raise Refused(f"the ingress: {error}") from error
    answer = understood(reply)
    if reply.status == 200:
        milliseconds = (time.monotonic() - began) * 1000
        request = f"request id {answer.request_id or 'unknown'}"
        return f"the ingress answers its connection test: 200 in {milliseconds:.0f} ms, {request}\n{_NOT_TOLD}"
    kind = Busy if answer.meaning is Meaning.BUSY else Refused
    raise kind(f"the ingress answered {answers.describe(reply.status)} to the connection test")

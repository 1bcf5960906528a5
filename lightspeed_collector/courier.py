"""Brings one batch to the ingress: tries, waits, tries again, and knows when to give up.

It returns only answers about the batch; that nothing will pass, or nothing now, ends the run as `Refused` or `Busy`.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

from lightspeed_collector import answers, backoff, events
from lightspeed_collector.answers import Answer, Meaning
from lightspeed_collector.batch import Batch
from lightspeed_collector.credentials import Credentials
from lightspeed_collector.errors import Busy, Refused
from lightspeed_collector.exchange import Exchange, Reply, Unreachable, Unusable
from lightspeed_collector.multipart import Upload
from lightspeed_collector.report import Report
from lightspeed_collector.stop import Stop

log = logging.getLogger(__name__)

REQUEST_ID = "x-rh-insights-request-id"
_REFUSALS_BELIEVED = 3
_PRINTABLE = re.compile(r"[!-~]{1,200}")


class Courier:
    def __init__(
        self,
        url: str,
        service: str | None,
        user_agent: str,
        first_wait: float,
        exchange: Exchange,
        credentials: Credentials,
        stop: Stop,
        report: Report,
    ) -> None:
        self._url = url
        self._service = service
        self._user_agent = user_agent
        self._first_wait = first_wait
        self._exchange = exchange
        self._credentials = credentials
        self._stop = stop
        self._report = report

    def deliver(
        self,
        batch: Batch,
        archive: Path,
        sent: Callable[[int], None],
        hold: Callable[[float], None],
        *,
        again: bool = False,
    ) -> Answer:
        """The ingress's answer: accepted, too large or malformed.

        `hold` is told for how many seconds the ingress wants peace. `again`: an earlier run may have sent the batch. Raises
        `Refused`, `Busy`, `Stopped`, `Misconfigured`.
        """
        failures, began, renewed, doubt = 0, time.monotonic(), False, Doubt(again)
        while True:
            answer = self._try(batch, archive, sent)
            self._report.refused += answer.status is not None and answer.meaning is not Meaning.ACCEPTED
            if answer.meaning is Meaning.UNAUTHORIZED and not renewed:
                self._credentials.renew()
                renewed = True
            elif answer.meaning is Meaning.BUSY:
                failures += 1
                doubt.grows()
                self._wait(answer, failures, time.monotonic() - began, hold)
            elif answer.meaning in (Meaning.UNAUTHORIZED, Meaning.REFUSED):
                raise Refused(f"the ingress answered {answer.text}: everything is kept")
            elif doubt.believes(answer):
                return answer

    def _try(self, batch: Batch, archive: Path, sent: Callable[[int], None]) -> Answer:
        body = Upload(batch, archive, self._service, sent)
        try:
            headers = {**self.headers(), "Content-Type": body.content_type, REQUEST_ID: batch.id}
            reply = self._exchange.post(self._url, headers, body)
        except (Unreachable, Busy) as error:
            return answers.unreachable(str(error))
        except Unusable as error:
            raise Refused(f"the ingress: {error}: everything is kept") from error
        answer = understood(reply)
        if answer.meaning is Meaning.ACCEPTED and not reply.to_all_of_it:
            return answers.unreachable(f"it answered {answer.text} before it had all of the upload")
        return answer

    def headers(self) -> dict[str, str]:
        """What every request to the ingress carries."""
        token = self._credentials.token()
        headers = {"User-Agent": self._user_agent, "Accept": "application/json"}
        return {**headers, "Authorization": f"Bearer {token.reveal()}"} if token else headers

    def _wait(self, answer: Answer, failures: int, elapsed: float, hold: Callable[[float], None]) -> None:
        import random

        spread = random.random()  # noqa: S311 - jitter, not a secret
        seconds = backoff.wait(failures, self._first_wait, spread, answer.retry_after, elapsed)
        if seconds is None:
            if answer.retry_after:
                hold(answer.retry_after)
            raise Busy(f"the ingress: {answer.text}: try later, everything is kept")
        text = "the ingress: %s: trying again in %.1f s"
        log.info(text, answer.text, seconds, extra=events.fields(events.INGRESS_BUSY, status=answer.status or 0))
        self._stop.sleep(seconds)


class Doubt:
    """Whether the ingress may have a batch already, its acceptance lost on the way.

    To divide such a batch is to send its records under other ids, so a refusal is only believed when it is repeated.
    """

    def __init__(self, doubtful: bool) -> None:
        self._doubtful = doubtful
        self._refusals = 0

    def grows(self) -> None:
        """An upload ended without an answer that tells whether the ingress has it."""
        self._doubtful = True
        self._refusals = 0

    def believes(self, answer: Answer) -> bool:
        self._refusals += 1
        return not self._doubtful or answer.meaning is Meaning.ACCEPTED or self._refusals >= _REFUSALS_BELIEVED


def understood(reply: Reply) -> Answer:
    meaning = answers.meaning(reply.status, reply.body)
    told = _told(reply.body)
    return Answer(
        meaning,
        answers.describe(reply.status),
        reply.status,
        _printable(reply.header(REQUEST_ID)) or _printable(told) or "",
        backoff.retry_after(reply.header("Retry-After"), time.time()),
        odd_body=meaning is Meaning.ACCEPTED and told is None,
    )


def _told(body: bytes) -> object:
    """The request id in the body of an acceptance, None when there is none."""
    try:
        return json.loads(body)["request_id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _printable(value: object) -> str | None:
    return value if isinstance(value, str) and _PRINTABLE.fullmatch(value) else None

"""What went wrong at a provider, in the words that our callers know.

The operator reads in the log what happened and where; a caller reads what to do about it. The provider's own words are
looked at, never passed on: they may hold the question or a piece of a key.
"""

from __future__ import annotations

import logging
import re

from lightspeed_stack import alerts, errors
from lightspeed_stack.daemon.credentials import CredentialError
from lightspeed_stack.providers.completions import Nonsense, Reported
from lightspeed_stack.providers.dial import Unreachable
from lightspeed_stack.providers.reply import Broken, TooBig, Unanswered
from lightspeed_stack.providers.wait import TimedOut

log = logging.getLogger(__name__)

_TOO_LONG = re.compile(r"context[_ ]length", re.IGNORECASE)
_EXHAUSTED = re.compile(r"resource_exhausted|rate_limit_exceeded|insufficient_quota", re.IGNORECASE)
_NO_MODEL = re.compile(r"model", re.IGNORECASE)
_SECONDS = re.compile(r"\d{1,5}")


class Refused(Exception):
    """The provider answered with a status that is no success."""

    def __init__(self, status: int, text: str, retry_after: str = "") -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.text = text
        self.retry_after = retry_after

    @property
    def is_about_the_request(self) -> bool:
        return self.status in (400, 422) and not _TOO_LONG.search(self.text)


FAILURES = (Unreachable, TimedOut, Broken, TooBig, Refused, Reported, Nonsense, CredentialError)
Failure = Unreachable | TimedOut | Broken | TooBig | Refused | Reported | Nonsense | CredentialError


def translate(failure: Failure, provider: str, model: str) -> errors.Error:
    """Log the failure and return the error to raise for it."""
    error = _error(failure, f"{provider}/{model}", model)
    failed = alerts.fields(alerts.PROVIDER_FAILED, provider=provider, model=model)
    log.warning("provider %s, model %s: %s", provider, model, _reason(failure), extra=failed)
    return error


def _error(failure: Failure, identifier: str, model: str) -> errors.Error:
    if isinstance(failure, Unreachable | Unanswered):
        return errors.ProviderUnavailable()
    if isinstance(failure, TimedOut):
        return errors.ProviderUnavailable("The LLM provider did not answer in time.")
    if isinstance(failure, Refused):
        return _refused(failure, identifier, model)
    if isinstance(failure, Reported):
        return _reported(failure.text, identifier) or errors.ProviderFailed()
    return errors.ProviderFailed()


def _refused(failure: Refused, identifier: str, model: str) -> errors.Error:
    if failure.status == 429:
        return _exhausted(identifier, failure.retry_after)
    if failure.status == 413:
        return _too_long(identifier)
    if failure.status == 404 and _NO_MODEL.search(failure.text):
        return no_such_model(model)
    return _reported(failure.text, identifier) or errors.ProviderFailed()


def _reported(text: str, identifier: str) -> errors.Error | None:
    if _EXHAUSTED.search(text):
        return _exhausted(identifier)
    return _too_long(identifier) if _TOO_LONG.search(text) else None


def _exhausted(identifier: str, retry_after: str = "") -> errors.Error:
    headers = {"Retry-After": retry_after} if _SECONDS.fullmatch(retry_after) else None
    return errors.QuotaExceeded(f"The token quota for model {identifier} has been exceeded.", headers=headers)


def _too_long(identifier: str) -> errors.Error:
    return errors.TooLarge(f"The input exceeds the context window size of model '{identifier}'.")


def no_such_model(model: str) -> errors.Error:
    return errors.NotFound(f"Model with ID {model} does not exist", response="Model not found")


def _reason(failure: Failure) -> str:
    if isinstance(failure, Refused) and failure.status in (401, 403):
        return f"it does not accept the API key (status {failure.status})"
    return str(failure)

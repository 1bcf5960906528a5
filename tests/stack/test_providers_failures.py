"""What failures of a provider become for our callers, and what the log says."""

from __future__ import annotations

import pytest

from lightspeed_stack import errors
from lightspeed_stack.daemon.credentials import CredentialError
from lightspeed_stack.providers.completions import Nonsense, Reported
from lightspeed_stack.providers.dial import Unreachable
from lightspeed_stack.providers.failures import Failure, Refused, translate
from lightspeed_stack.providers.reply import Broken, TooBig, Unanswered
from lightspeed_stack.providers.wait import TimedOut

UNAVAILABLE, FAILED = errors.ProviderUnavailable, errors.ProviderFailed
QUOTA, LONG = errors.QuotaExceeded, errors.TooLarge


@pytest.mark.parametrize(
    ("failure", "kind", "logged"),
    [
        (Unreachable("h:1: Connection refused"), UNAVAILABLE, "h:1: Connection refused"),
        (Unanswered("closed"), UNAVAILABLE, "closed"),
        (TimedOut(), UNAVAILABLE, "no answer in time"),
        (Broken("not HTTP"), FAILED, "not HTTP"),
        (TooBig(), FAILED, "the answer is longer than max_answer_bytes"),
        (Nonsense("no choices"), FAILED, "no choices"),
        (CredentialError("/key: is empty"), FAILED, "/key: is empty"),
        (Reported('{"message": "secret words"}'), FAILED, "the provider reports an error"),
        (Reported('{"code": "rate_limit_exceeded"}'), QUOTA, "the provider reports an error"),
        (Reported("Context length exceeded"), LONG, "the provider reports an error"),
        (Refused(500, "secret words"), FAILED, "status 500"),
        (Refused(500, "RESOURCE_EXHAUSTED"), QUOTA, "status 500"),
        (Refused(400, "insufficient_quota"), QUOTA, "status 400"),
        (Refused(429, ""), QUOTA, "status 429"),
        (Refused(413, ""), LONG, "status 413"),
        (Refused(400, "maximum context length is 4096"), LONG, "status 400"),
        (Refused(400, "context_length_exceeded"), LONG, "status 400"),
        (Refused(404, "no such page"), FAILED, "status 404"),
        (Refused(404, "the model m is not loaded"), errors.NotFound, "status 404"),
        (Refused(401, "key sk-1 is bad"), FAILED, "it does not accept the API key (status 401)"),
        (Refused(403, ""), FAILED, "it does not accept the API key (status 403)"),
    ],
)
def test_each_failure(
    failure: Failure, kind: type[errors.Error], logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert type(translate(failure, "p", "m")) is kind
    assert caplog.messages == [f"provider p, model m: {logged}"]


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [("17", {"Retry-After": "17"}), ("", {}), ("soon", {}), ("Wed, 21 Oct 2026 07:28:00 GMT", {})],
)
def test_when_to_come_again(given: str, passed_on: dict[str, str]) -> None:
    assert translate(Refused(429, "", given), "p", "m").headers == passed_on


@pytest.mark.parametrize(
    ("refusal", "about"),
    [
        (Refused(400, "unknown field"), True),
        (Refused(422, "extra inputs"), True),
        (Refused(400, "context length"), False),
        (Refused(500, "unknown field"), False),
    ],
)
def test_whether_another_request_might_be_taken(refusal: Refused, about: bool) -> None:
    assert refusal.is_about_the_request is about

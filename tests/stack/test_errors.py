import pytest

from lightspeed_stack import errors


def all_errors(root: type[errors.Error]) -> list[type[errors.Error]]:
    return [root, *(each for child in root.__subclasses__() for each in all_errors(child))]


BARE = [each for each in all_errors(errors.Error) if each not in (errors.Invalid, errors.Plain)]


@pytest.mark.parametrize("kind", BARE)
def test_every_error_has_a_status_a_response_and_a_cause(kind: type[errors.Error]) -> None:
    error = kind()
    assert 400 <= error.status < 600
    assert error.body() == {"detail": {"response": error.response, "cause": error.cause}}
    assert error.response
    assert error.cause


@pytest.mark.parametrize("kind", BARE)
def test_cause_and_response_can_be_told(kind: type[errors.Error]) -> None:
    error = kind("because", response="No")
    assert error.body() == {"detail": {"response": "No", "cause": "because"}}
    assert str(error) == f"{error.status} No: because"


def test_what_one_error_is_told_does_not_stay_with_its_class() -> None:
    errors.Busy("because", response="No", headers={"Retry-After": "9"})
    assert errors.Busy().cause == "All workers are busy, try again in a moment."
    assert errors.Busy().headers == {"Retry-After": "1"}


def test_invalid_lists_its_items() -> None:
    items = [{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}]
    error = errors.Invalid(items)
    assert error.status == 422
    assert error.body() == {"detail": items}


def test_what_was_sent_does_not_show_in_the_message_of_invalid() -> None:
    error = errors.Invalid([{"type": "string_type", "loc": ["body"], "msg": "no", "input": "secret"}])
    assert "secret" not in str(error) + repr(error)


def test_plain_tells_a_bare_string() -> None:
    error = errors.Plain(401, "Invalid API Key", headers={"X": "1"})
    assert (error.status, error.body(), error.headers) == (401, {"detail": "Invalid API Key"}, {"X": "1"})

from __future__ import annotations

import base64
import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack import attachments, errors

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(8)).decode()


def item(kind: str = "log", content_type: str = "text/plain", content: str = "a line") -> dict[str, str]:
    return {"attachment_type": kind, "content_type": content_type, "content": content}


def take(*items: dict[str, str], max_count: int = 3, max_bytes: int = 100) -> tuple[attachments.Attachment, ...]:
    return attachments.take(items, max_count=max_count, max_bytes=max_bytes)


def refused(*items: dict[str, str], **limits: int) -> dict[str, object]:
    with pytest.raises(errors.Invalid) as caught:
        take(*items, **limits)
    [fault] = caught.value.items
    return dict(fault)


@pytest.mark.parametrize(
    "kind", ["alert", "api object", "configuration", "error message", "event", "log", "stack trace"]
)
@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/yaml", "application/xml"])
def test_texts_of_every_kind_are_taken(kind: str, content_type: str) -> None:
    assert take(item(kind, content_type)) == (item(kind, content_type),)


@pytest.mark.parametrize(("content_type", "content"), [("image/png", PNG), ("image/jpeg", JPEG)])
def test_images_are_taken(content_type: str, content: str) -> None:
    image = item("image", content_type, content)
    assert take(image) == (image,)
    assert attachments.data_url(image) == f"data:{content_type};base64,{content}"


def test_an_unknown_type_is_named_before_the_content_type() -> None:
    with pytest.raises(errors.Unprocessable) as caught:
        take(item(), item("foo", "text/x"))
    assert caught.value.status == 422
    assert caught.value.response == "Invalid attribute value"
    assert caught.value.cause.startswith("Invalid attachment type foo: must be one of frozenset({'alert', ")


def test_an_unknown_content_type_is_named() -> None:
    with pytest.raises(errors.Unprocessable) as caught:
        take(item("log", "text/x"))
    assert caught.value.cause.startswith("Invalid attachment content type text/x: must be one of frozenset({")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            item("log", "image/png", PNG),
            "attachment_type and content_type are inconsistent: attachment_type='log', content_type='image/png'",
        ),
        (
            item("image", "text/plain"),
            "attachment_type and content_type are inconsistent: attachment_type='image', content_type='text/plain'",
        ),
        (item("image", "image/png", "!!"), "Invalid base64 content for image attachment: Only base64 data is allowed"),
        (
            item("image", "image/png", "YWJj\n"),
            "Invalid base64 content for image attachment: Only base64 data is allowed",
        ),
        (
            item("image", "image/png", JPEG),
            "Image content does not match declared content_type 'image/png': invalid image data",
        ),
        (
            item("image", "image/jpeg", ""),
            "Image content does not match declared content_type 'image/jpeg': invalid image data",
        ),
        (
            item("image", "image/png", base64.b64encode(b"\x89PNG" + bytes(100)).decode()),
            "Image attachment (104 bytes) exceeds maximum allowed size (100 bytes)",
        ),
    ],
)
def test_what_contradicts_itself_is_a_schema_error(bad: dict[str, str], message: str) -> None:
    assert refused(item(), bad) == {
        "type": "value_error",
        "loc": ["body", "attachments", 1],
        "msg": f"Value error, {message}",
        "input": bad,
        "ctx": {"error": {}},
    }


def test_every_fault_is_told() -> None:
    found = attachments.faults([item("image"), item(), item("log", "image/png")], max_count=3, max_bytes=100)
    assert [fault["loc"] for fault in found] == [["body", "attachments", 0], ["body", "attachments", 2]]


def test_too_many_are_refused() -> None:
    fault = refused(item(), item(), max_count=1)
    assert fault["type"] == "too_long"
    assert fault["loc"] == ["body", "attachments"]
    assert fault["msg"] == "List should have at most 1 items after validation, not 2"


def test_a_text_is_measured_in_bytes() -> None:
    assert take(item(content="ž" * 50))
    with pytest.raises(errors.TooLarge) as caught:
        take(item(content="ž" * 51))
    assert caught.value.status == 413
    assert caught.value.cause == "Attachment (102 bytes) exceeds maximum allowed size (100 bytes)"


def test_only_texts_are_redacted() -> None:
    image = item("image", "image/png", PNG)
    assert attachments.redacted([item(content="abc"), image], str.upper) == (item(content="ABC"), image)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "attachment_type": st.sampled_from([*attachments.ATTACHMENT_TYPES, "foo", ""]),
                "content_type": st.sampled_from([*attachments.CONTENT_TYPES, "text/x", ""]),
                "content": st.one_of(
                    st.text(st.characters(), max_size=40),
                    st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()),
                ),
            }
        ),
        max_size=4,
    )
)
def test_anything_is_either_taken_as_it_is_or_refused_with_an_error_of_ours(items: list[dict[str, str]]) -> None:
    with contextlib.suppress(errors.Invalid, errors.Unprocessable, errors.TooLarge):
        assert take(*items) == tuple(items)


def test_random_images_need_their_first_bytes() -> None:
    noise = base64.b64encode(b"x" + os.urandom(20)).decode()
    assert "does not match" in str(refused(item("image", "image/jpeg", noise))["msg"])

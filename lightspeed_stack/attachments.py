"""What a question may carry beside its text: files of a few known types, checked, and redacted when they are text.

Pure. `faults` finds what upstream reports as a schema error, `take` what it reports afterwards; the words are upstream's.
An attachment is never written anywhere, opened or decoded beyond the first bytes of an image.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

from lightspeed_stack import errors

IMAGE_TYPES: Mapping[str, bytes] = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG"}
TEXT_TYPES = ("text/plain", "application/json", "application/yaml", "application/xml")
CONTENT_TYPES = (*TEXT_TYPES, *IMAGE_TYPES)
ATTACHMENT_TYPES = ("alert", "api object", "configuration", "error message", "event", "image", "log", "stack trace")


Attachment = Mapping[str, str]  # attachment_type, content_type, content


def is_image(attachment: Attachment) -> bool:
    return attachment["content_type"] in IMAGE_TYPES


def data_url(attachment: Attachment) -> str:
    return f"data:{attachment['content_type']};base64,{attachment['content']}"


def faults(items: Sequence[Attachment], *, max_count: int, max_bytes: int) -> list[dict[str, object]]:
    """Validation items for `errors.Invalid`; each of `items` has its three keys, all strings."""
    if len(items) > max_count:
        return [_too_many(items, max_count)]
    found = ((number, item, _fault(item, max_bytes)) for number, item in enumerate(items))
    return [_value_error(number, item, message) for number, item, message in found if message]


def take(items: Sequence[Attachment], *, max_count: int, max_bytes: int) -> tuple[Attachment, ...]:
    """Raises `errors.Invalid`, `errors.Unprocessable` or `errors.TooLarge` for what can't be taken."""
    invalid = faults(items, max_count=max_count, max_bytes=max_bytes)
    if invalid:
        raise errors.Invalid(invalid)
    for item in items:
        _refuse(item, max_bytes)
    return tuple(items)


def redacted(items: Sequence[Attachment], apply: Callable[[str], str]) -> tuple[Attachment, ...]:
    """Images are left as they are: no filter can read them."""
    return tuple(item if is_image(item) else {**item, "content": apply(item["content"])} for item in items)


def _fault(item: Attachment, max_bytes: int) -> str | None:
    kind, content_type = item["attachment_type"], item["content_type"]
    if (kind == "image") != is_image(item):
        return (
            "attachment_type and content_type are inconsistent: "
            f"attachment_type={kind!r}, content_type={content_type!r}"
        )
    return _image_fault(item, max_bytes) if is_image(item) else None


def _image_fault(item: Attachment, max_bytes: int) -> str | None:
    try:
        data = base64.b64decode(item["content"], validate=True)
    except ValueError as error:
        return f"Invalid base64 content for image attachment: {error}"
    if len(data) > max_bytes:
        return f"Image attachment ({len(data)} bytes) exceeds maximum allowed size ({max_bytes} bytes)"
    if not data.startswith(IMAGE_TYPES[item["content_type"]]):
        return f"Image content does not match declared content_type {item['content_type']!r}: invalid image data"
    return None


def _refuse(item: Attachment, max_bytes: int) -> None:
    if item["attachment_type"] not in ATTACHMENT_TYPES:
        raise errors.Unprocessable(f"Invalid attachment type {item['attachment_type']}: {_one_of(ATTACHMENT_TYPES)}")
    if item["content_type"] not in CONTENT_TYPES:
        raise errors.Unprocessable(f"Invalid attachment content type {item['content_type']}: {_one_of(CONTENT_TYPES)}")
    size = len(item["content"].encode("utf-8", "surrogatepass"))
    if not is_image(item) and size > max_bytes:
        raise errors.TooLarge(
            f"Attachment ({size} bytes) exceeds maximum allowed size ({max_bytes} bytes)",
            response="Attachment is too large",
        )


def _one_of(values: Sequence[str]) -> str:
    return "must be one of frozenset({" + ", ".join(repr(value) for value in values) + "})"


def _value_error(number: int, item: Attachment, message: str) -> dict[str, object]:
    return {
        "type": "value_error",
        "loc": ["body", "attachments", number],
        "msg": f"Value error, {message}",
        "input": dict(item),
        "ctx": {"error": {}},
    }


def _too_many(items: Sequence[Attachment], max_count: int) -> dict[str, object]:
    return {
        "type": "too_long",
        "loc": ["body", "attachments"],
        "msg": f"List should have at most {max_count} items after validation, not {len(items)}",
        "input": [dict(item) for item in items],
        "ctx": {"field_type": "List", "max_length": max_count, "actual_length": len(items)},
    }

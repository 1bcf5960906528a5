"""Whether some bytes are a record: one JSON object (RFC 8259) in UTF-8. What it means is nobody's business here."""

from __future__ import annotations

import json


def fault(data: bytes) -> str | None:
    """Why `data` is no record, None when it is one. Nothing of the data appears in the answer."""
    try:
        text = data.decode("utf-8")
        if text.startswith("{") and _DECODER.raw_decode(text)[1] == len(text):
            return None
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        return f"not UTF-8: invalid byte at {error.start}"
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at character {error.pos}" if data else "empty"
    except ValueError as error:
        return f"not JSON: {error}"
    except RecursionError:
        return "not JSON that can be read: nested too deeply"
    return None if isinstance(value, dict) else "JSON, but not an object"


def edges_fault(first: bytes, last: bytes) -> str | None:
    """As `fault`, for a record too large to be read at once: by its first and last bytes only."""
    if first.lstrip()[:1] == b"{" and last.rstrip()[-1:] == b"}":
        return None
    return "not JSON: doesn't begin and end as an object"


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


# Numbers stay text: their value is of no interest, and huge ones would take long to convert.
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=str, parse_float=str)

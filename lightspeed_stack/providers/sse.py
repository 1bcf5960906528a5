"""Server-sent events out of bytes that may be cut anywhere. Pure: bytes in, events out.

https://html.spec.whatwg.org/multipage/server-sent-events.html. `id` and `retry` are read and have no effect, for
nothing here reconnects. Bytes that are not UTF-8 become U+FFFD; how much may be held back is for the caller to limit.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_LINE_END = re.compile("\r\n|\n|\r")


class Event(NamedTuple):
    """`name` is empty for the usual nameless event."""

    name: str
    data: str


class Parser:
    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._is_between = False
        self._line: list[str] = []
        self._after_return = False
        self._name = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[Event]:
        if self._is_between and data.isascii():
            return self._read(data.decode("ascii"))
        text = self._decoder.decode(data)
        self._is_between = bool(data) and not self._decoder.getstate()[0]
        return self._read(text)

    def end(self) -> list[Event]:
        """The event that the end cut off from its blank line, which the standard drops and servers forget."""
        return self._read(self._decoder.decode(b"", True) + "\n\n")

    def _read(self, text: str) -> list[Event]:
        if self._after_return and text:
            self._after_return = False
            text = text.removeprefix("\n")
        lines = _LINE_END.split(text) if "\r" in text else text.split("\n")
        if len(lines) == 1:
            self._line.append(text)
            return []
        self._after_return = text.endswith("\r")
        lines[0] = "".join((*self._line, lines[0]))
        self._line = [lines.pop()]
        return [event for line in lines if (event := self._take(line)) is not None]

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        if line.startswith("data: "):
            self._data.append(line[6:])
        else:
            self._set(*line.partition(":")[::2])
        return None

    def _set(self, field: str, value: str) -> None:
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value

    def _dispatch(self) -> Event | None:
        name, data, self._name, self._data = self._name, self._data, "", []
        return Event(name, "\n".join(data)) if data else None

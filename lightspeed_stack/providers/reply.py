"""One HTTP/1.1 response, as its bytes come. Pure: httptools (llhttp) parses, zlib unpacks.

A body is never larger than `max_bytes`, unpacked, and never unpacked more than 1 MiB at a time. Informational responses
and trailers are passed over.
"""

from __future__ import annotations

import zlib

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

_LONGEST_HEAD = 65536
_UNPACKED_BYTES = 1 << 20


class Broken(Exception):
    """The answer is not whole or not HTTP."""


class Unanswered(Broken):
    """The connection ended before the first byte of an answer."""


class TooBig(Exception):
    """The answer is longer than `max_bytes`."""

    def __init__(self) -> None:
        super().__init__("the answer is longer than max_answer_bytes")


class Reply:
    """What httptools tells about one response; `on_*` are its callbacks.

    While it `is_behind`, `unpack` is to be called instead of `feed` and `end`.
    """

    def __init__(self, max_bytes: int) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.complete = False
        self.is_behind = False
        self.reusable = False
        self._parser = HttpResponseParser(self)
        self._left = max_bytes
        self._bodiless_bytes = 0
        self._begun = False
        self._in_body = False
        self._ended = False
        self._pieces: list[bytes] = []
        self._unpacker: zlib._Decompress | None = None
        self._failure: Broken | None = None

    def feed(self, data: bytes) -> bytes:
        """The body in `data`; that it is not HTTP from there on is for `check` to say. Raises Broken and TooBig."""
        self._begun = True
        self._bodiless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.reusable = False
            self._failure = Broken(f"the answer is not HTTP/1.1: {error}")
        if self._pieces:
            self._bodiless_bytes = 0
        elif self._bodiless_bytes > _LONGEST_HEAD and not self._ended:
            raise Broken("the answer's headers never end")
        return self._body()

    def unpack(self) -> bytes:
        """More of the body, out of what was fed. Raises as `feed`."""
        return self._body()

    def check(self) -> None:
        if self._failure is not None and not self._ended and not self.is_behind:
            raise self._failure

    def end(self) -> bytes:
        """The connection has ended: that ends an answer that has no other end."""
        if not self._begun:
            raise Unanswered("the connection was closed without an answer")
        if not self._in_body or not self.ends_by_closing:
            raise Broken("the connection was closed in the middle of the answer")
        self._ended = self.complete = True
        return b""

    @property
    def ends_by_closing(self) -> bool:
        return not self.headers.keys() & {b"content-length", b"transfer-encoding"}

    def on_message_begin(self) -> None:
        self.reusable = False  # who sends a second response to one request is not to be trusted

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if not self._ended:
            self.status = self._parser.get_status_code()
            self._in_body = self.status >= 200

    def on_body(self, data: bytes) -> None:
        if not self._ended:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self.status < 200:
            self.headers.clear()
        elif not self._ended:
            self._ended = True
            self.reusable = self._parser.should_keep_alive()

    def _body(self) -> bytes:
        body = b"".join(self._pieces)
        self._pieces.clear()
        if (body or self.is_behind) and b"content-encoding" in self.headers:
            body = self._unpack(body)
        self.complete = self._ended and not self.is_behind
        self._left -= len(body)
        if self._left < 0:
            raise TooBig
        return body

    def _unpack(self, data: bytes) -> bytes:
        encoding = self.headers[b"content-encoding"].lower()
        if encoding == b"identity":
            return data
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise Broken(f"the answer's encoding is {encoding.decode('latin-1')}")
        if self._unpacker is None:
            self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        if self._unpacker.eof:
            return b""
        try:
            body = self._unpacker.decompress(self._unpacker.unconsumed_tail + data, _UNPACKED_BYTES)
        except zlib.error as error:
            raise Broken(f"the answer is not {encoding.decode()}: {error}") from None
        self.is_behind = len(body) == _UNPACKED_BYTES and not self._unpacker.eof
        return body

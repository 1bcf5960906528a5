"""What the fake provider can answer, well or badly: each behaviour is a script of steps.

A step is bytes to send, a number of seconds to wait, or one of HANG, CLOSE and RESET. A behaviour is chosen by the name of
the model that is asked for; `tokens-N-SECONDS` and `status-NNN` take their numbers from it.
"""

from __future__ import annotations

import functools
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class End(Enum):
    HANG = "say nothing more, keep the connection open"
    CLOSE = "close the connection"
    RESET = "reset the connection"


HANG, CLOSE, RESET = End.HANG, End.CLOSE, End.RESET
Step = bytes | float | End
Script = Iterator[Step]

TOKENS = ("Hello", " from", " fake")
USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
DONE = b"data: [DONE]\n\n"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def model(self) -> str:
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""

    @property
    def streams(self) -> bool:
        return isinstance(self.body, dict) and self.body.get("stream") is True

    @property
    def question(self) -> str:
        return str(self.body["messages"][-1]["content"])


def head(status: int = 200, *fields: str, content_type: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {content_type}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(body: bytes, status: int = 200, *fields: str, content_type: str = "application/json") -> bytes:
    return head(status, f"Content-Length: {len(body)}", *fields, content_type=content_type) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def completion(text: str, **more: object) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps(
        {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": USAGE, **more}
    ).encode()


def event(delta: Mapping[str, object] | None, finish: str | None = None, **more: object) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices, **more}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def token(text: str) -> bytes:
    return event({"content": text})


def error(message: str, status: int = 400, **more: object) -> bytes:
    return whole(json.dumps({"error": {"message": message, "type": "fake", **more}}).encode(), status)


STREAM_HEAD = head(200, "Transfer-Encoding: chunked", content_type="text/event-stream")
ROLE = event({"role": "assistant", "content": ""})
STOP = event({}, "stop")
USED = event(None, usage=USAGE)


def said(*pieces: bytes, before: bytes = STREAM_HEAD) -> Script:
    """A whole stream of these events, one chunk each."""
    yield before
    for piece in pieces:
        yield chunk(piece)
    yield LAST_CHUNK


def spoken(request: Request, tokens: Iterable[str], pause: float = 0.0) -> Script:
    if not request.streams:
        yield whole(completion("".join(tokens)))
        return
    yield STREAM_HEAD + chunk(ROLE)
    for text in tokens:
        yield pause
        yield chunk(token(text))
    usage = USED if "stream_options" in request.body else b""
    yield chunk(STOP + usage + DONE) + LAST_CHUNK


def begun(*then: Step) -> Script:
    """Three good tokens, then something else."""
    yield STREAM_HEAD + chunk(ROLE)
    for text in TOKENS:
        yield chunk(token(text))
    yield from then


def verbose(request: Request) -> Script:
    """2,000 short tokens, each in an event as long as vLLM's, with thoughts before them."""
    more: dict[str, Any] = {
        "created": 1724200000,
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "system_fingerprint": "x" * 60,
    }
    thought = event({"content": "", "reasoning_content": " hm"}, **more)
    return said(*[thought] * 500, *[event({"content": " a"}, **more)] * 2000, STOP, USED, DONE)


def thinking(request: Request) -> Script:
    """What a server that does not stream is while it composes: silent."""
    yield 0.6
    yield from ok(request)


def ok(request: Request) -> Script:
    return spoken(request, TOKENS)


def echo(request: Request) -> Script:
    return spoken(request, [request.question])


def reject_usage(request: Request) -> Script:
    if "stream_options" in request.body:
        yield error("Unrecognized request argument supplied: stream_options")
    else:
        yield from ok(request)


def close_after_answer(request: Request) -> Script:
    """Close a connection that was said to be kept."""
    yield from ok(request)
    yield CLOSE


def endless(request: Request) -> Script:
    yield STREAM_HEAD if request.streams else head(200, "Transfer-Encoding: chunked") + chunk(b'{"choices": "')
    piece = chunk(token("and so on ") * 20) if request.streams else chunk(b"and so on " * 400)
    while True:
        yield piece
        yield 0.0


def slow(request: Request) -> Script:
    """Never silent for long, never done."""
    yield STREAM_HEAD if request.streams else head(200, "Transfer-Encoding: chunked")
    while True:
        yield 0.05
        yield chunk(token("x") if request.streams else b" ")


def dripping(answer: bytes) -> Script:
    """A good answer of 600 bytes or so, in a second or so."""
    for start in range(0, len(answer), 20):
        yield answer[start : start + 20]
        yield 0.02


def comments_only(request: Request) -> Script:
    yield STREAM_HEAD
    while True:
        yield 0.05
        yield chunk(b": still here\n\n")


def talks_on(request: Request) -> Script:
    """A whole answer, but for the last chunk."""
    yield STREAM_HEAD + chunk(b"".join([*HELLO, STOP, USED, DONE]))
    while True:
        yield 0.02
        yield chunk(b": still here\n\n")


def blank_json(request: Request) -> Script:
    yield head(200, "Transfer-Encoding: chunked")
    while True:
        yield 0.05
        yield chunk(b" ")


def drip_headers(request: Request) -> Script:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield 0.05
        yield b"X-Filler: 1\r\n"


def endless_headers(request: Request) -> Script:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-Filler: " + b"1" * 4096 + b"\r\n"


def bytewise(request: Request) -> Script:
    """Multi-byte characters, every byte a chunk of its own."""
    yield STREAM_HEAD
    data = token("žluťoučký 🐎").replace(b"\\u017e", "ž".encode()).replace(b"\\ud83d\\udc0e", "🐎".encode())
    for byte in data + STOP + DONE:
        yield chunk(bytes([byte]))
    yield LAST_CHUNK


def to_the_end(*pieces: bytes) -> Script:
    """A stream with no framing but the end of the connection."""
    yield head(200, "Connection: close", content_type="text/event-stream")
    for piece in pieces:
        yield piece
        yield 0.01
    yield CLOSE


def packed(request: Request, encoding: str, pack: Callable[[bytes], bytes]) -> Script:
    if request.streams:
        body = pack(b"".join([ROLE, *map(token, TOKENS), STOP, USED, DONE]))
        yield head(200, "Transfer-Encoding: chunked", f"Content-Encoding: {encoding}", content_type="text/event-stream")
        for start in range(0, len(body), 7):
            yield chunk(body[start : start + 7])
        yield LAST_CHUNK
    else:
        yield whole(pack(completion("Hello from fake")), 200, f"Content-Encoding: {encoding}")


@functools.cache
def bomb() -> bytes:
    return gzip.compress(b" " * 50_000_000, 1)


HELLO = [token(text) for text in TOKENS]
ODD_LINES = (
    b'\xef\xbb\xbf: hello\r\n\r\nevent: message\r\nid: 1\r\nretry: 10\r\ndata: {"choices":\r\n'
    b'data: [{"delta": {"content": "Hello"}}]}\r\n\r\ndata:{"choices": [{"delta": {"content": " from"}}]}\r\r: x\n'
    b'data: {"choices": [{"delta": {"content": " fake"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)
TOOL = event({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{"}}]})
NULLS = event({"content": None}) + event(None) + b'data: {"choices": [{"index": 0}]}\n\n'
BROKEN = b'data: {"error": {"message": "the engine died", "type": "server_error", "code": 500}}\n\n'
LIMITED = b'data: {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}}\n\n'
TOO_LONG = "This model's maximum context length is 4096 tokens."

BEHAVIOURS: dict[str, Callable[[Request], Script]] = {
    "ok": ok,
    "echo": echo,
    "reject-usage": reject_usage,
    "close-after-answer": close_after_answer,
    "endless": endless,
    "slow": slow,
    "comments-only": comments_only,
    "blank-json": blank_json,
    "talks-on": talks_on,
    "drip-headers": drip_headers,
    "endless-headers": endless_headers,
    "verbose": verbose,
    "thinking": thinking,
    "bytewise": bytewise,
    "gzip": lambda request: packed(request, "gzip", gzip.compress),
    "deflate": lambda request: packed(request, "deflate", zlib.compress),
    "bomb": lambda request: iter([whole(bomb(), 200, "Content-Encoding: gzip")]),
    "brotli": lambda request: iter([whole(b"\x0b\x02", 200, "Content-Encoding: br")]),
    "bad-gzip": lambda request: iter([whole(b"not gzip at all", 200, "Content-Encoding: gzip")]),
    "silent": lambda request: iter([HANG]),
    "silent-after-head": lambda request: iter([STREAM_HEAD, HANG]),
    "silent-after-tokens": lambda request: begun(HANG),
    "close-at-once": lambda request: iter([CLOSE]),
    "reset-at-once": lambda request: iter([RESET]),
    "close-after-tokens": lambda request: begun(CLOSE),
    "reset-after-tokens": lambda request: begun(0.05, RESET),
    "error-after-tokens": lambda request: begun(chunk(BROKEN), chunk(DONE), LAST_CHUNK),
    "limit-after-tokens": lambda request: begun(chunk(LIMITED), LAST_CHUNK),
    "nonsense-after-tokens": lambda request: begun(chunk(b"data: {never json\n\n"), LAST_CHUNK),
    "lingering": lambda request: iter([STREAM_HEAD, *map(chunk, (*HELLO, STOP, USED, DONE)), HANG]),
    "surrogates": lambda request: said(token("\ud83d"), token("\udc0e and "), token("\ud83d"), STOP, DONE),
    "retry-later": lambda request: iter([whole(b"{}", 429, "Retry-After: 17")]),
    "html-after-tokens": lambda request: begun(chunk(b'data: "just a string"\n\n'), LAST_CHUNK),
    "bad-chunk-after-tokens": lambda request: begun(b"zzz\r\nnot a chunk\r\n", HANG),
    "no-done": lambda request: said(*HELLO, STOP),
    "no-done-no-stop": lambda request: said(*HELLO),
    "close-after-stop": lambda request: iter([STREAM_HEAD, *map(chunk, HELLO), chunk(STOP), CLOSE]),
    "no-usage": lambda request: said(*HELLO, STOP, DONE),
    "usage-with-stop": lambda request: said(*HELLO, event({}, "stop", usage=USAGE), DONE),
    "one-chunk": lambda request: said(b"".join([ROLE, *HELLO, STOP, USED, DONE])),
    "odd-lines": lambda request: said(ODD_LINES),
    "tools": lambda request: said(TOOL, *HELLO, TOOL, STOP, USED, DONE),
    "nulls": lambda request: said(NULLS, *HELLO, NULLS, STOP, USED, DONE),
    "empty-stream": lambda request: said(DONE),
    "to-the-end": lambda request: to_the_end(ROLE, *HELLO, STOP, USED, DONE),
    "to-the-end-no-stop": lambda request: to_the_end(ROLE, *HELLO),
    "invalid-utf8": lambda request: said(token("a?b").replace(b"?", b"\xff"), STOP, DONE),
    "long-line": lambda request: said(b"data: " + b"x" * 3_000_000),
    "plain-json": lambda request: iter([whole(completion("Hello from fake"))]),
    "json-error": lambda request: iter([whole(json.dumps({"error": {"message": "no engine"}}).encode())]),
    "html": lambda request: iter([whole(b"<html>Sign in</html>", content_type="text/html")]),
    "not-json": lambda request: iter([whole(b"{nope")]),
    "wrong-shape": lambda request: iter([whole(b'{"hello": ["world"]}')]),
    "list": lambda request: iter([whole(b"[1]")]),
    "no-choices": lambda request: iter([whole(b'{"choices": []}')]),
    "null-content": lambda request: iter([whole(b'{"choices": [{"message": {"content": null}}]}')]),
    "odd-usage": lambda request: iter([whole(completion("Hello", usage={"prompt_tokens": "many"}))]),
    "empty": lambda request: iter([whole(b"")]),
    "truncated": lambda request: iter([head(200, "Content-Length: 5000") + completion("Hel"), CLOSE]),
    "not-http": lambda request: iter([b"SSH-2.0-OpenSSH_9.2p1\r\n", HANG]),
    "redirect": lambda request: iter([whole(b"", 302, "Location: http://127.0.0.1:1/")]),
    "slow-json": lambda request: dripping(whole(completion("Hello from fake"))),
    "slow-error": lambda request: dripping(error("Rate limit reached", 429)),
    "continue": lambda request: iter([b"HTTP/1.1 103 Early Hints\r\n\r\n", *ok(request)]),
    "resource-exhausted": lambda request: iter([error("8 RESOURCE_EXHAUSTED: resource_exhausted", 500)]),
    "context-length": lambda request: iter([error(TOO_LONG, 400, code="context_length_exceeded")]),
    "no-model": lambda request: iter([error("The model `x` does not exist", 404, code="model_not_found")]),
    "plain-text-error": lambda request: iter([whole(b"upstream sk-secret went away", 502, content_type="text/plain")]),
}


def choose(name: str) -> Callable[[Request], Script] | None:
    if name.startswith("tokens-"):
        count, pause = name.removeprefix("tokens-").split("-", 1)
        words = [f"word{n} " for n in range(int(count))]
        return lambda request: spoken(request, words, float(pause))
    if name.startswith("status-"):
        status = int(name.removeprefix("status-"))
        return lambda request: iter([error(f"this is a {status}", status)])
    return BEHAVIOURS.get(name)

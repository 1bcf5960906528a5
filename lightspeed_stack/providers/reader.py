"""The events of one streamed answer: bytes in, tokens out, and whether it has come to its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lightspeed_stack.providers import completions, sse
from lightspeed_stack.providers.completions import Nonsense, Reported
from lightspeed_stack.providers.reply import Broken, TooBig

_DONE = "[DONE]"


class Reader:
    """`usage` is input and output tokens; `finished` when all was said, `done` when the server says that it is done.

    The text may have `max_bytes`, in UTF-8; what is not told, as a model's thoughts, is not counted.
    """

    def __init__(self, max_bytes: int) -> None:
        self.usage = (0, 0)
        self.done = False
        self.finished = False
        self.failure: Nonsense | Reported | TooBig | None = None
        self._left = max_bytes
        self._longest_event = completions.largest(max_bytes)
        self._eventless_bytes = 0
        self._events = 0
        self._half = ""
        self._parser = sse.Parser()

    def read(self, piece: bytes) -> Sequence[str]:
        """The tokens before the first event that is a failure, which is kept in `failure`."""
        events = self._parser.feed(piece)
        self._eventless_bytes = 0 if events else self._eventless_bytes + len(piece)
        if self._eventless_bytes > self._longest_event:
            self.failure = TooBig()
        return self._tokens(events)

    def end(self) -> Sequence[str]:
        return [*self._tokens(self._parser.end()), *completions.whole(self._half)]

    def judge(self, told_to_end: bool) -> None:
        """A stream that neither says that it is done nor is framed may have broken off anywhere."""
        if self.failure is not None:
            raise self.failure
        if not self.finished and not self._events:
            raise Nonsense("the stream has no events")
        if not self.finished and not told_to_end:
            raise Broken("the stream broke off")

    def _tokens(self, events: Iterable[sse.Event]) -> Sequence[str]:
        tokens: list[str] = []
        for event in events:
            if self.done or self.failure is not None:
                break
            token = self._token(event.data)
            if token and self._fits(token):
                tokens.append(token)
        return tokens

    def _fits(self, token: str) -> bool:
        self._left -= len(token.encode())
        if self._left < 0:
            self.failure = TooBig()
        return self._left >= 0

    def _token(self, data: str) -> str:
        if data == _DONE:
            self.done = self.finished = True
            return ""
        try:
            text, finished, usage = completions.delta(data)
        except (Nonsense, Reported) as failure:
            self.failure = failure
            return ""
        self._events += 1
        self.finished = self.finished or finished
        self.usage = usage or self.usage
        return self._join(text) if text else ""

    def _join(self, text: str) -> str:
        """The token, and what was held back of the one before, in whole characters."""
        text, self._half = self._half + text, ""
        if completions.is_half(text):
            text, self._half = text[:-1], text[-1]
        return completions.whole(text)


def check_length(text: str, max_bytes: int) -> None:
    """Raises TooBig."""
    if len(text.encode()) > max_bytes:
        raise TooBig

"""The events of one streamed answer: bytes in, tokens out, and whether it has come to its end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lightspeed_stack.providers import completions, sse
from lightspeed_stack.providers.completions import Nonsense, Reported
from lightspeed_stack.providers.reply import Broken

_DONE = "[DONE]"


class Reader:
    """`usage` is input and output tokens; `finished` when all was said, `done` when the server says that it is done."""

    def __init__(self) -> None:
        self.usage = (0, 0)
        self.done = False
        self.finished = False
        self.failure: Nonsense | Reported | None = None
        self._events = 0
        self._half = ""
        self._parser = sse.Parser()

    def read(self, piece: bytes) -> Sequence[str]:
        """The tokens before the first event that is a failure, which is kept in `failure`."""
        return self._tokens(self._parser.feed(piece))

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
            if token:
                tokens.append(token)
        return tokens

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

"""An answer of a chat-completions server as it is told: bytes in, tokens out, until the server says that it is done.

A server that does not know `stream_options` is asked again without; one that answers in one piece is taken at its
word. Calls of tools are passed over. No thread, no queue: the caller's own waits.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain

from lightspeed_stack.providers import completions
from lightspeed_stack.providers.api import Api
from lightspeed_stack.providers.base import Chunk, Client, Message
from lightspeed_stack.providers.exchange import Exchange
from lightspeed_stack.providers.failures import FAILURES, Refused, translate
from lightspeed_stack.providers.reader import Reader, check_length
from lightspeed_stack.providers.reply import Broken, TooBig
from lightspeed_stack.providers.wait import Aborted, TimedOut

_JSON = "application/json"

Tokens = Generator[Sequence[str], None, None]


class Telling:
    def __init__(self, api: Api, provider: str, messages: Sequence[Message], model: str, client: Client | None) -> None:
        self.usage = (0, 0)
        self.chunks: tuple[Chunk, ...] = ()
        self._usage_wanted = api.tells_usage
        self._question = completions.question(messages, model, stream=True, usage=self._usage_wanted)
        self._api = api
        self._provider = provider
        self._messages = messages
        self._model = model
        self._client = client
        self._closed = False
        self._exchange: Exchange | None = None

    def __iter__(self) -> Iterator[Sequence[str]]:
        try:
            yield from self._tell_somehow()
        except Aborted:
            return
        except FAILURES as failure:
            raise translate(failure, self._provider, self._model) from None

    def _tell_somehow(self) -> Tokens:
        try:
            yield from self._tell(self._question)
        except Refused as refusal:
            if not self._usage_wanted or not refusal.is_about_the_request:
                raise
            yield from self._tell(completions.question(self._messages, self._model, stream=True))
            self._api.tells_usage = False

    def close(self) -> None:
        self._closed = True
        if self._exchange is not None:
            self._exchange.abort()

    def _tell(self, question: bytes) -> Tokens:
        exchange = self._exchange = self._api.ask_for_stream(question, self._client)
        if self._closed:
            return
        with closing(iter(exchange)) as pieces:
            first = b""
            while not first and (piece := next(pieces, None)) is not None:
                first = piece
                if not first:
                    yield ()
            if exchange.status != 200:
                complaint = (yield from self._whole(exchange, chain((first,), pieces))).decode(errors="replace")
                raise Refused(exchange.status, complaint, exchange.header("retry-after"))
            if exchange.header("content-type").startswith(_JSON):
                answer = completions.answer((yield from self._whole(exchange, chain((first,), pieces))))
                check_length(answer.text, self._api.max_answer_bytes)
                self.usage = answer.input_tokens, answer.output_tokens
                yield (answer.text,)
            else:
                yield from self._in_pieces(exchange, chain((first,), pieces))

    def _in_pieces(self, exchange: Exchange, pieces: Iterable[bytes]) -> Tokens:
        reader = Reader(self._api.max_answer_bytes)
        try:
            for piece in pieces:
                if not piece:
                    yield ()
                    continue
                tokens = reader.read(piece)
                if tokens:
                    yield tokens
                self.usage = reader.usage
                if reader.failure is not None:
                    raise reader.failure
                if reader.done:
                    exchange.hurry()
                if not tokens and not exchange.complete:
                    yield ()
            if tokens := reader.end():
                yield tokens
            reader.judge(told_to_end=not exchange.ends_by_closing)
        except (TimedOut, Broken):
            if not reader.finished:
                raise

    def _whole(self, exchange: Exchange, pieces: Iterable[bytes]) -> Generator[Sequence[str], None, bytes]:
        """The whole body; nothing is told until it is there."""
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > completions.largest(self._api.max_answer_bytes):
                raise TooBig
            if not exchange.complete:
                yield ()
        return bytes(body)

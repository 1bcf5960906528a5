"""A provider that is any server with the chat-completions API: OpenAI, vLLM, Ollama, Llama Stack, llama.cpp, Azure.

Keeps its connections, and the list of models for a minute (that there is none, for a moment); nothing of what was asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from lightspeed_stack import config, errors
from lightspeed_stack.daemon.credentials import CredentialError
from lightspeed_stack.providers import completions
from lightspeed_stack.providers.api import Api
from lightspeed_stack.providers.base import Answer, Call, Client, Message, Model
from lightspeed_stack.providers.exchange import Exchange, Limits
from lightspeed_stack.providers.failures import FAILURES, Refused, translate
from lightspeed_stack.providers.reader import check_length
from lightspeed_stack.providers.telling import Telling
from lightspeed_stack.providers.wait import Aborted

MODELS_SECONDS = 60.0
FAILURE_SECONDS = 3.0
_LIST_BYTES = 4 * 1024 * 1024


class OpenAI:
    def __init__(self, settings: config.Provider) -> None:
        self.name = settings.name
        self._window = settings.context_window
        self._configured = settings.models
        self._api = Api(settings)
        self._quick = Limits(settings.connect_timeout_seconds, settings.connect_timeout_seconds, _LIST_BYTES)
        self._listed: tuple[Model, ...] = ()
        self._listed_until = 0.0
        self._failure: errors.Error | None = None
        self._listing = threading.Lock()

    def models(self) -> Sequence[Model]:
        """Those configured, else those that the server tells; an old list serves while the server can't be asked."""
        if self._configured:
            return self._named(self._configured)
        if time.monotonic() < self._listed_until and self._failure is None:
            return self._listed
        with self._listing:
            if time.monotonic() >= self._listed_until:
                self._list()
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            return self._listed

    def ask(self, messages: Sequence[Message], model: str, call: Call | None = None) -> Answer:
        self._api.look_up()
        try:
            exchange = self._api.ask(completions.question(messages, model), patient=call is not None and call.patient)
            if call is not None:
                call.stops_by(exchange.abort)
            answer = completions.answer(_whole(exchange))
            check_length(answer.text, self._api.max_answer_bytes)
            return answer
        except Aborted:
            raise errors.Stopping from None
        except FAILURES as failure:
            raise translate(failure, self.name, model) from None

    def stream(self, messages: Sequence[Message], model: str, client: Client | None = None) -> Telling:
        self._api.look_up()
        return Telling(self._api, self.name, messages, model, client)

    def health(self) -> str | None:
        """Whether it can be reached and takes our key; a server without a list of models is none the worse."""
        try:
            _whole(self._api.look("models", self._quick))
        except Refused as refusal:
            if refusal.status in (401, 403):
                return "It does not accept the API key"
            return f"It answers with status {refusal.status}" if refusal.status >= 500 else None
        except CredentialError:
            return "Its API key can't be read"
        except FAILURES as failure:
            return f"Connection error: {failure}"
        return None

    def _list(self) -> None:
        try:
            names = completions.models(_whole(self._api.look("models", self._quick)))
        except FAILURES as failure:
            error = translate(failure, self.name, "(the list of models)")
            self._failure = None if self._listed else error
        else:
            self._listed, self._failure = self._named(names), None
        self._listed_until = time.monotonic() + (MODELS_SECONDS if self._failure is None else FAILURE_SECONDS)

    def _named(self, names: Sequence[str]) -> tuple[Model, ...]:
        return tuple(Model(self.name, name, self._window) for name in names)


def _whole(exchange: Exchange) -> bytes:
    body = b"".join(exchange)
    if exchange.status != 200:
        raise Refused(exchange.status, body.decode(errors="replace"), exchange.header("retry-after"))
    return body

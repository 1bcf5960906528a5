"""POST /v1/streaming_query: ask, and get the answer as it is told.

Once the first byte is sent nothing is an HTTP error any more: what goes wrong is told as an event. However the telling
ends (whole, stopped, broken off, nobody there to listen) the provider is let go of and the turn is finished, before
the client is told that it is.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Response, request
from flask.views import View

from lightspeed_stack import errors, events, front, interaction
from lightspeed_stack.providers.base import Disconnected
from lightspeed_stack.relay import Relay
from lightspeed_stack.views.query import referenced_documents

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from lightspeed_stack.asked import Asked
    from lightspeed_stack.events import Teller
    from lightspeed_stack.front import Note
    from lightspeed_stack.interaction import Interactions
    from lightspeed_stack.parse import Parser
    from lightspeed_stack.streams import Streams
    from lightspeed_stack.views.door import Door

ENDPOINT = "/v1/streaming_query"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

log = logging.getLogger(__name__)


class StreamingQueryView(View):
    init_every_request = False
    methods = ("POST",)

    def __init__(
        self, door: Door, parser: Parser, interactions: Interactions, streams: Streams, keep_alive_seconds: float
    ) -> None:
        self._door = door
        self._parser = parser
        self.interactions = interactions
        self.streams = streams
        self.keep_alive_seconds = keep_alive_seconds
        self.relay = Relay()

    def dispatch_request(self) -> Response:
        body = self._door.body()
        user = self._door.enter()
        query = self._parser.query(body)
        self._door.allow(user, "streaming_query")
        private = self._door.is_private(user)
        with self._door.noting(errors.Stopping, interaction.INTERRUPTED):
            asked = self.interactions.begin(user, query, datetime.now(UTC), ENDPOINT, private=private)
        asked = self.interactions.announce(asked)
        self._door.concerns(asked.conversation_id)
        teller = events.teller(query.media_type)
        telling = _Telling(self, asked, teller, request.environ)
        return Response(telling, headers=_HEADERS, content_type=teller.content_type, direct_passthrough=True)


class _Telling:
    """The body of one response."""

    def __init__(self, view: StreamingQueryView, asked: Asked, teller: Teller, environ: WSGIEnvironment) -> None:
        self._asked = asked
        self._teller = teller
        self._interactions = view.interactions
        self._streams = view.streams
        self._keep_alive_seconds = view.keep_alive_seconds
        self._note: Note = environ[front.NOTE]
        self._seat = view.relay.seat(environ)
        self._stream = self._interactions.stream(asked, self._seat)
        self._request_id = str(uuid.uuid4())
        self._tokens: list[str] = []
        self._finished = False
        self._story = self._tell()
        self._streams.begin(self._request_id, asked.user.id, self._stream.close)

    def __iter__(self) -> Iterator[bytes]:
        return self._story

    def close(self) -> None:
        """The server's last word: a telling that has not finished by now has lost its listener."""
        self._story.close()
        if not self._finished:
            self._streams.finish(self._request_id)
            self._finish(interaction.DISCONNECTED)

    def _tell(self) -> Generator[bytes, None, None]:
        failure: errors.Error | None = None
        try:
            if self._seat is None:
                yield from self._told()
            else:
                yield b""  # gunicorn sends the headers
                self._seat.tell(self._told(), self._teller.keep_alive())
        except Disconnected:
            return
        except errors.Error as error:
            failure = error
        except Exception:  # too late for an HTTP error: whatever it is, it is told as an event
            log.exception("a stream failed")
            failure = errors.Internal()
        yield self._ending(failure)

    def _told(self) -> Generator[bytes, None, None]:
        """What goes out now; empty when there is nothing."""
        if start := self._teller.start(self._asked.conversation_id, self._request_id):
            yield start
        quiet_since = time.monotonic()
        for tokens in self._stream:
            if tokens:
                self._tokens += tokens
                quiet_since = time.monotonic()
                yield self._teller.tokens(tokens)
            elif time.monotonic() - quiet_since >= self._keep_alive_seconds:
                quiet_since = time.monotonic()
                yield self._teller.keep_alive()
            else:
                yield b""

    def _ending(self, failure: errors.Error | None) -> bytes:
        if self._streams.finish(self._request_id):
            return self._interrupted()
        begun = bool(self._tokens)
        self._finish(interaction.FAILED if failure else interaction.COMPLETE)
        if failure is None:
            return self._turn_complete() + self._end()
        if not begun:
            return self._teller.error(failure)
        return self._turn_complete() + self._teller.error(_in_the_middle(failure)) + self._end()

    def _interrupted(self) -> bytes:
        last = self._teller.tokens([events.STOPPED])
        self._tokens.append(events.STOPPED)
        self._finish(interaction.INTERRUPTED)
        return last + self._teller.interrupted(self._request_id)

    def _turn_complete(self) -> bytes:
        return self._teller.turn_complete("".join(self._tokens))

    def _end(self) -> bytes:
        documents = referenced_documents((*self._asked.chunks, *self._stream.chunks))
        return self._teller.end(documents, self._asked.truncated, self._stream.usage)

    def _finish(self, outcome: str) -> None:
        self._finished = True
        self._stream.close()
        self._note.outcome = outcome if self._asked.valid else "refused"
        text = "".join(self._tokens)
        self._interactions.finish(self._asked, text, outcome, *self._stream.usage, self._stream.chunks)


def _in_the_middle(failure: errors.Error) -> errors.Error:
    """What upstream tells of a failure after the first token: what can be done about it, if anything can."""
    if isinstance(failure, errors.QuotaExceeded | errors.TooLarge):
        return failure
    return errors.ProviderFailed(response="Error while processing query")

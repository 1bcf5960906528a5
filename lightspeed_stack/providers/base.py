"""What every provider of answers offers, and the values that pass between a provider and its callers.

A provider answers; it never knows who asks, keeps no history and writes nothing to the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Message:
    """One message of a prompt.

    `role` is system, user or assistant; a tuple is OpenAI content parts (text, image_url).
    """

    role: str
    content: str | tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class Model:
    """`context_window` is in tokens; None when nobody told."""

    provider: str
    name: str
    context_window: int | None = None

    @property
    def identifier(self) -> str:
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True)
class Chunk:
    """A passage that was retrieved; a higher `score` is a better match."""

    content: str
    source: str
    score: float
    title: str
    url: str | None
    attributes: Mapping[str, object]


@dataclass(frozen=True)
class Answer:
    """A whole answer; token counts are 0 when the provider does not tell them."""

    text: str
    input_tokens: int
    output_tokens: int
    chunks: tuple[Chunk, ...] = ()


class Disconnected(Exception):
    """The client that a stream is for has hung up."""


class Poll(Protocol):
    """select.poll, as far as it is needed here."""

    def register(self, descriptor: int, events: int) -> None: ...

    def modify(self, descriptor: int, events: int) -> None: ...

    def unregister(self, descriptor: int) -> None: ...

    def poll(self, milliseconds: float) -> list[tuple[int, int]]: ...


class Client(Poll, Protocol):
    """The asker of a stream, and how to wait on its behalf.

    `poll` raises Disconnected when the asker is gone, and may return at once with nothing found, to be called again
    when there is something or within a second.
    """

    def rest(self) -> None:
        """Called when nothing more can come until a descriptor is ready: what is yielded next is the last till then."""

    def ends_at(self, deadline: float) -> None:
        """Called when it is known, on the clock of time.monotonic, by when the provider has to have answered."""


class Call(Protocol):
    """A user's wait for an answer in one piece: who is `patient` lets a server be silent until its answer is whole."""

    @property
    def patient(self) -> bool: ...

    def stops_by(self, stop: Callable[[], None]) -> None:
        """Calling `stop`, from any thread, ends the wait: `ask` raises errors.Stopping."""


class Stream(Protocol):
    """An answer told in pieces. Whoever iterates closes it in the end, whatever happened."""

    def __iter__(self) -> Iterator[Sequence[str]]:
        """Yield the tokens that arrived together; an empty sequence only when waiting for more, at least once a second.

        Raises the errors of lightspeed_stack.errors (ProviderUnavailable, ProviderFailed, QuotaExceeded, TooLarge), and
        Disconnected when the client is gone. After `close` it just ends.
        """

    def close(self) -> None:
        """End the stream and the provider's work on it at once; from any thread, any number of times."""

    @property
    def usage(self) -> tuple[int, int]:
        """Input and output tokens, known at the end; 0 when the provider does not tell them."""

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """The passages that the provider itself retrieved."""


class Provider(Protocol):
    """Failures of `models` and `ask` are the errors that Stream names."""

    @property
    def name(self) -> str: ...

    def models(self) -> Sequence[Model]: ...

    def ask(self, messages: Sequence[Message], model: str, call: Call | None = None) -> Answer:
        """Without a patient `call` a server may not be silent for longer than in a stream."""

    def stream(self, messages: Sequence[Message], model: str, client: Client | None = None) -> Stream:
        """The provider is asked when the iteration begins; the look-up of a name, which may block, is done here."""

    def health(self) -> str | None:
        """Say what is wrong, None when nothing is."""

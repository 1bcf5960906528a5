"""Answers with no network, no key and no model: the document that fits a question best, word for word, with its source.

It never composes a sentence about the matter itself: below the threshold it says that it has no document. It says
in every answer what it is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lightspeed_stack import config, errors, knowledge
from lightspeed_stack.prompt import estimate_tokens
from lightspeed_stack.providers.base import Answer, Call, Chunk, Client, Message, Model
from lightspeed_stack.retriever import Index

log = logging.getLogger(__name__)

MODEL = "howto-cards"
THRESHOLD = 0.38
NEAR = 0.75
SEE_ALSO = 3
SHORT = 2
WIDE = 24

HONEST = "I am not a language model: I looked this up in the documents on this machine."
REFUSAL = (
    "I have no document about that.\n\n"
    "I am not a language model: I only look up documents on this machine. Ask me how to run services, read logs, boot,"
    " install packages, set up networks, firewalls, disks, accounts, certificates, containers, backups or schedules on"
    " Linux, or about this assistant itself. For example: How do I restart nginx?"
)

_REFERS_BACK = re.compile(
    r"\s*(?:and|but|or|then|also|so|what about|how about|why)\b|.*\b(?:it|its|that|this|those|them)\b", re.I
)
_ATTACHMENT = "\n\n[Attachment: "
_AFTER_DOCUMENTS = "</document>\n\nQuestion: "
_TOKEN = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+")
_TOKENS_AT_ONCE = 64


def create(settings: config.Provider, state_dir: Path) -> Embedded:
    """The provider over the cards of the package and the configured directories."""
    index = Index(knowledge.index_file(state_dir))
    try:
        index.refresh([knowledge.CARDS, *settings.directories])
    except OSError as error:
        log.error("the document index can't be written: %s", error)
    return Embedded(settings.name, index, THRESHOLD if settings.min_score is None else settings.min_score)


class Embedded:
    def __init__(self, name: str, index: Index, threshold: float = THRESHOLD) -> None:
        self.name = name
        self._index = index
        self._threshold = threshold

    def models(self) -> Sequence[Model]:
        return (Model(self.name, MODEL),)

    def ask(self, messages: Sequence[Message], model: str, call: Call | None = None) -> Answer:
        try:
            found = self._find(_questions(messages))
        except errors.DatabaseFailed as error:
            raise errors.ProviderFailed(error.cause) from error
        answered = bool(found) and found[0].score >= self._threshold
        text = _told(found) if answered else _refused(found)
        asked = sum(estimate_tokens(_text(message)) for message in messages)
        return Answer(text, asked, estimate_tokens(text), found[:1] if answered else ())

    def stream(self, messages: Sequence[Message], model: str, client: Client | None = None) -> Telling:
        return Telling(self, messages, model)

    def health(self) -> str | None:
        try:
            documents, _ = self._index.count()
        except errors.DatabaseFailed as error:
            return error.cause
        return None if documents else "There are no documents."

    def _find(self, questions: Sequence[str]) -> tuple[Chunk, ...]:
        """What fits the last question, together with the one before it when it leans on that."""
        last = questions[-1] if questions else ""
        found = self._index.search(last, SEE_ALSO + 1, NEAR * self._threshold)
        if len(questions) < 2 or not self._leans(last, found):
            return found
        return self._find_follow_up(last, questions[-2]) or found

    def _find_follow_up(self, question: str, before: str) -> tuple[Chunk, ...]:
        """Of what fits both together, first what fits the question itself as well."""
        alone = {(chunk.source, chunk.title): chunk.score for chunk in self._index.search(question, WIDE)}
        both = self._index.search(f"{question}\n{before}", WIDE, NEAR * self._threshold)
        pairs = [(chunk, alone.get((chunk.source, chunk.title), 0.0)) for chunk in both]
        pairs.sort(key=lambda pair: -pair[0].score - pair[1])
        judged = [replace(chunk, score=max(chunk.score, (chunk.score + own) / 2)) for chunk, own in pairs]
        judged.sort(key=lambda chunk: chunk.score < self._threshold)
        return tuple(judged[: SEE_ALSO + 1])

    def _leans(self, question: str, found: Sequence[Chunk]) -> bool:
        terms = self._index.terms(question)
        if len(terms) > SHORT:
            return False
        if _REFERS_BACK.match(question):
            return True
        return any(terms.values()) and not (found and found[0].score >= self._threshold)


class Telling:
    """The answer as a stream; it is there at once."""

    chunks: tuple[Chunk, ...] = ()
    usage = (0, 0)

    def __init__(self, provider: Embedded, messages: Sequence[Message], model: str) -> None:
        self._provider = provider
        self._messages = messages
        self._model = model
        self._closed = False

    def __iter__(self) -> Iterator[Sequence[str]]:
        for tokens in self._batches():
            if self._closed:
                return
            yield tokens

    def close(self) -> None:
        self._closed = True

    def _batches(self) -> Iterator[Sequence[str]]:
        answer = self._provider.ask(self._messages, self._model)
        self.chunks = answer.chunks
        self.usage = answer.input_tokens, answer.output_tokens
        tokens = _TOKEN.findall(answer.text)
        return (tokens[start : start + _TOKENS_AT_ONCE] for start in range(0, len(tokens), _TOKENS_AT_ONCE))


def _questions(messages: Sequence[Message]) -> list[str]:
    """What the user asked, without the passages and attachments that went along."""
    texts = (_text(message) for message in messages if message.role == "user")
    return [text.rpartition(_AFTER_DOCUMENTS)[2].partition(_ATTACHMENT)[0] for text in texts]


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(str(part["text"]) for part in message.content if "text" in part)


def _told(found: Sequence[Chunk]) -> str:
    best = found[0]
    source = f"[{best.title}]({best.url})" if best.url else best.title
    also = dict.fromkeys(chunk.title for chunk in found[1:] if chunk.title != best.title)
    further = f"\n\nSee also: {'; '.join(also)}" if also else ""
    return f"**{best.title}**\n\n{best.content.strip()}\n\n---\n{HONEST}\n\nSource: {source} ({best.source}){further}\n"


def _refused(found: Sequence[Chunk]) -> str:
    near = dict.fromkeys(chunk.title for chunk in found)
    return REFUSAL + (f"\n\nThe nearest titles that I have: {'; '.join(near)}\n" if near else "\n")

"""The collaborators of a worker, made of the configuration: nothing of Flask, nothing of HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lightspeed_stack import auth, database, errors, knowledge, providers, redact
from lightspeed_stack.config import Config, Customization, Rag, UserDataCollection
from lightspeed_stack.conversations import Conversations
from lightspeed_stack.daemon.config import ConfigError, Fault
from lightspeed_stack.feedbacks import Feedbacks
from lightspeed_stack.forgetting import Forgetting
from lightspeed_stack.gauges import Gauges
from lightspeed_stack.health import Health
from lightspeed_stack.interaction import Interactions
from lightspeed_stack.memory import Memory
from lightspeed_stack.metrics import Metrics
from lightspeed_stack.optout import OptOuts
from lightspeed_stack.providers.base import Chunk
from lightspeed_stack.pseudonym import Pseudonym
from lightspeed_stack.retriever import Index
from lightspeed_stack.scope import Scope
from lightspeed_stack.spool import Spool
from lightspeed_stack.status import Status
from lightspeed_stack.streams import Streams
from lightspeed_stack.switch import Switch
from lightspeed_stack.tally import Tally
from lightspeed_stack.transcripts import Transcripts

log = logging.getLogger(__name__)

Retrieve = Callable[[str], tuple[Chunk, ...]]


@dataclass(frozen=True)
class Parts:
    gate: auth.Gate
    pseudonym: Pseudonym
    metrics: Metrics
    spools: dict[str, Spool]
    registry: providers.Registry
    conversations: Conversations
    memory: Memory
    redactor: redact.Redactor
    switch: Switch
    opt_outs: OptOuts
    streams: Streams
    interactions: Interactions
    feedbacks: Feedbacks
    forgetting: Forgetting
    health: Health
    gauges: Gauges
    tally: Tally
    status: Status


def assemble(config: Config, runtime_dir: Path) -> Parts:
    """Raises ConfigError."""
    gate = auth.create(config.authentication, config.authorization)
    measured = Metrics(_made(runtime_dir / "metrics"))
    pseudonym = Pseudonym(config.user_data_collection.user_id_hashing, config.state_dir)
    kept = spools(config.user_data_collection)
    registry = providers.create(config.inference, config.state_dir)
    address = database.address(config.database, config.state_dir)
    remembered, tally = Conversations(address), Tally(address)
    memory = Memory(remembered)
    redactor = redact.from_config(config.redaction, measured.redacted)
    switch = Switch(config.state_dir, config.user_data_collection.feedback_enabled)
    opt_outs = OptOuts(config.state_dir)
    used = _used(kept, config.user_data_collection, switch)
    transcripts = kept.get("transcripts") if config.user_data_collection.transcripts_enabled else None
    return Parts(
        gate=gate,
        pseudonym=pseudonym,
        metrics=measured,
        spools=kept,
        registry=registry,
        conversations=remembered,
        memory=memory,
        redactor=redactor,
        switch=switch,
        opt_outs=opt_outs,
        streams=Streams(runtime_dir / "streams"),
        interactions=Interactions(
            allow=gate.authorize,
            service=config.service,
            system_prompt=system_prompt(config.customization),
            may_replace_prompt=not config.customization.disable_query_system_prompt,
            registry=registry,
            memory=memory,
            redactor=redactor,
            scope=Scope(config.query_validity, registry),
            retrieve=_retrieve(config.rag, config.state_dir),
            transcripts=Transcripts(transcripts, pseudonym, measured, tally, opt_outs),
            metrics=measured,
        ),
        feedbacks=Feedbacks(kept.get("feedback"), memory, redactor, pseudonym, measured, tally),
        forgetting=Forgetting(remembered, tuple(kept.values()), lambda spool: spool in used().values()),
        health=Health(registry.providers, remembered.ping, used, config.user_data_collection.min_free_bytes),
        gauges=Gauges(measured, kept, registry, config.inference),
        tally=tally,
        status=Status(config.user_data_collection, kept, tally.since, measured),
    )


def spools(collection: UserDataCollection) -> dict[str, Spool]:
    """Those that have a place, written to or not: records of before may have to be forgotten."""
    places = {"transcripts": collection.transcripts_storage, "feedback": collection.feedback_storage}
    return {kind: Spool(place, collection.min_free_bytes) for kind, place in places.items() if place is not None}


def _used(
    kept: Mapping[str, Spool], collection: UserDataCollection, switch: Switch
) -> Callable[[], Mapping[str, Spool]]:
    def used() -> Mapping[str, Spool]:
        """Those that are written to now."""
        wanted = {"transcripts": collection.transcripts_enabled, "feedback": switch.get()}
        return {kind: spool for kind, spool in kept.items() if wanted[kind]}

    return used


def system_prompt(customization: Customization) -> str:
    """The file's, else the configured, else upstream's; raises ConfigError for a file that can't be read."""
    path = customization.system_prompt_path
    if path is None:
        return customization.system_prompt or DEFAULT_SYSTEM_PROMPT
    try:
        return path.read_text(encoding="utf-8").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(Fault("", "customization.system_prompt_path", f"{path}: {reason}")) from error


DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant"


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _retrieve(rag: Rag, state_dir: Path) -> Retrieve:
    if not rag.enabled:
        return lambda question: ()
    index = Index(knowledge.index_file(state_dir))
    try:
        index.refresh(rag.directories)
    except OSError as error:
        log.error("the document index can't be written: %s", error)

    def retrieve(question: str) -> tuple[Chunk, ...]:
        try:
            return index.search(question, rag.top_k, rag.min_score)
        except errors.Error as error:
            log.error("a question is asked without documents: %s", error)
            return ()

    return retrieve

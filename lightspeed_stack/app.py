"""The wiring diagram of HTTP: which path leads to which view, and which collaborators that gets.

`check` finds what a schema can't, `prepare` does what is done once for all workers, `start` makes a worker's
application and looks around meanwhile, `worker_exited` cleans up after one.
"""

from __future__ import annotations

import atexit
import functools
import logging
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flask import Flask, request

from lightspeed_stack import auth, database, handlers, metrics, parse, parts, providers, redact
from lightspeed_stack.application import Application, ViewFunction
from lightspeed_stack.config import Config, Service
from lightspeed_stack.conversations import Conversations, ConversationsError
from lightspeed_stack.cors import Cors
from lightspeed_stack.daemon.config import ConfigError, Fault
from lightspeed_stack.forgetting import Forgetting
from lightspeed_stack.front import NOTE, Front, Slots
from lightspeed_stack.hosts import Hosts
from lightspeed_stack.parts import Parts
from lightspeed_stack.pseudonym import Pseudonym, PseudonymError
from lightspeed_stack.spool import SpoolError
from lightspeed_stack.views.authorized import AuthorizedView
from lightspeed_stack.views.config import ConfigView
from lightspeed_stack.views.conversations import ConversationsView, ConversationView
from lightspeed_stack.views.data_collection import DataCollectionView
from lightspeed_stack.views.door import Door
from lightspeed_stack.views.feedback import FeedbackView
from lightspeed_stack.views.feedback_status import FeedbackStatusView
from lightspeed_stack.views.info import InfoView
from lightspeed_stack.views.interrupt import InterruptView
from lightspeed_stack.views.metrics import MetricsView
from lightspeed_stack.views.models import ModelsView
from lightspeed_stack.views.openapi import DocsFileView, DocsView, OpenapiView, described
from lightspeed_stack.views.page import PageFileView, PageSettingsView, PageView
from lightspeed_stack.views.probes import LivenessView, ReadinessView
from lightspeed_stack.views.query import QueryView
from lightspeed_stack.views.status import StatusView
from lightspeed_stack.views.streaming_query import StreamingQueryView

log = logging.getLogger(__name__)

SPARE_THREADS = 8
PATIENCE_SECONDS = 2.0
SECRET_CHECKED = ("api-key-token", "jwk-token")


def check(config: Config) -> None:
    """Raises ConfigError."""
    redact.from_config(config.redaction)
    auth.create(config.authentication, config.authorization)
    providers.check(config.inference)
    parts.system_prompt(config.customization)


def prepare(config: Config) -> None:
    """Raises OSError, ConfigError."""
    parse.parser()
    try:
        Pseudonym(config.user_data_collection.user_id_hashing, config.state_dir)
    except PseudonymError as error:
        raise ConfigError(Fault("", "state_dir", str(error))) from error
    providers.create(config.inference, config.state_dir)  # so that the workers find the index of documents made
    spools = tuple(parts.spools(config.user_data_collection).values())
    for spool in spools:
        try:
            spool.remove_old_drafts()
        except SpoolError as error:
            log.warning("%s", error)
    try:
        remembered = Conversations(database.address(config.database, config.state_dir))  # makes the tables
        remembered.ping()
        if config.database.postgres is None:  # other hosts may share one, and have records here unseen
            Forgetting(remembered, spools).sweep()
    except ConversationsError as error:
        log.error("conversations can't be remembered: %s", error)
    except SpoolError as error:
        log.warning("conversations without a turn stay: %s", error)


class Started(NamedTuple):
    """`cut_short` ends the answers of a worker that has no more time: each is recorded as far as it went."""

    application: Flask
    cut_short: Callable[[], None]


def start(config: Config, runtime_dir: Path) -> Started:
    """For a worker; whether all that it needs is there is found out without waiting for it."""
    made = parts.assemble(config, runtime_dir)
    made.switch.settle()
    threading.Thread(target=made.health.note_start, args=(made.metrics,), name="start", daemon=True).start()

    def cut_short() -> None:
        made.interactions.cut_short()
        made.streams.interrupt_all()

    return Started(_application(config, made), cut_short)


def create_app(config: Config, runtime_dir: Path) -> Flask:
    """A worker's application; what it makes that may be lost goes to `runtime_dir`."""
    return _application(config, parts.assemble(config, runtime_dir))


def _application(config: Config, made: Parts) -> Flask:
    atexit.register(made.conversations.close)  # the last to close SQLite's database empties its log
    atexit.register(made.tally.close)
    app = Application("lightspeed_stack")
    app.config["MAX_CONTENT_LENGTH"] = config.service.max_request_bytes
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    for path, view in _routes(config, made):
        app.add_url_rule(path, path, view)
    handlers.register(app)
    _name_routes(app)
    app.wsgi_app = _surrounded(app, config, made)  # type: ignore[method-assign]  # Flask's way to wrap it
    return app


def worker_exited(runtime_dir: Path, pid: int) -> None:
    metrics.worker_exited(runtime_dir / "metrics", pid)


def _routes(config: Config, made: Parts) -> Iterator[tuple[str, ViewFunction]]:
    spec = parse.specification()
    parser = parse.parser()
    door = Door(made.gate, made.pseudonym, made.opt_outs)
    yield from _questions(config, made, door, parser)
    yield from _feedback(made, door, parser)
    yield from _conversations(made, door, parser)
    yield from _service(config, made, door)
    yield from _pages(config, made, spec)


def _questions(config: Config, made: Parts, door: Door, parser: parse.Parser) -> Iterator[tuple[str, ViewFunction]]:
    query = QueryView.as_view("query", door, parser, made.interactions)
    streaming_query = StreamingQueryView.as_view(
        "streaming_query", door, parser, made.interactions, made.streams, config.service.keep_alive_comment_seconds
    )
    for prefix in ("/v1", ""):
        yield f"{prefix}/query", query
        yield f"{prefix}/streaming_query", streaming_query
    yield "/v1/streaming_query/interrupt", InterruptView.as_view("interrupt", door, parser, made.streams)


def _feedback(made: Parts, door: Door, parser: parse.Parser) -> Iterator[tuple[str, ViewFunction]]:
    feedback = FeedbackView.as_view("feedback", door, parser, made.switch, made.feedbacks)
    yield "/v1/feedback", feedback
    yield "/feedback", feedback
    yield "/v1/feedback/status", FeedbackStatusView.as_view("feedback_status", door, parser, made.switch)
    yield "/v1/me/data-collection", DataCollectionView.as_view("data_collection", door, parser, made.opt_outs)


def _conversations(made: Parts, door: Door, parser: parse.Parser) -> Iterator[tuple[str, ViewFunction]]:
    yield "/v1/conversations", ConversationsView.as_view("conversations", door, made.conversations)
    yield (
        "/v1/conversations/<conversation_id>",
        ConversationView.as_view(
            "conversation", door, parser, made.memory, made.conversations, made.forgetting, made.redactor.apply
        ),
    )


def _service(config: Config, made: Parts, door: Door) -> Iterator[tuple[str, ViewFunction]]:
    yield "/v1/info", InfoView.as_view("info", door, config.name)
    yield "/v1/models", ModelsView.as_view("models", door, made.registry)
    yield "/v1/config", ConfigView.as_view("config", door, config)
    yield "/authorized", AuthorizedView.as_view("authorized", door)
    yield "/v1/status", StatusView.as_view("status", door, made.status)
    yield "/readiness", ReadinessView.as_view("readiness", made.health)
    yield "/liveness", LivenessView.as_view("liveness")
    needs_user = not config.authentication.skip_for_metrics
    yield "/metrics", MetricsView.as_view("metrics", door, made.gauges, made.metrics, needs_user=needs_user)


def _pages(config: Config, made: Parts, spec: dict[str, Any]) -> Iterator[tuple[str, ViewFunction]]:
    description = described(spec, config.name, config.service)
    yield "/openapi.json", OpenapiView.as_view("openapi", description)
    yield "/docs", DocsView.as_view("docs", description["info"]["title"])
    yield "/docs/<name>", DocsFileView.as_view("docs_file")
    yield "/", PageView.as_view("page", "index.html")
    yield "/status", PageView.as_view("status_page", "status.html")
    yield "/page/<path:name>", PageFileView.as_view("page_file")
    collection, module = config.user_data_collection, config.authentication.module
    settings = PageSettingsView.as_view("page_settings", config.name, module, collection, made.switch)
    yield "/page/settings.json", settings


def _name_routes(app: Flask) -> None:
    """Tell log line and metrics which route a request took, by its template."""
    template = functools.cache(lambda rule: re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule))

    @app.before_request
    def name_route() -> None:
        rule = request.url_rule or handlers.rule_of_other_methods()
        if rule is not None:
            request.environ[NOTE].route = template(rule.rule)


def threads(service: Service) -> int:
    """How many a worker needs: some stay free, to answer probes and to tell others that the rest are taken."""
    return service.threads + service.max_waiting_requests + SPARE_THREADS


def _slots(service: Service) -> Slots:
    return Slots(service.threads, service.max_waiting_requests, PATIENCE_SECONDS)


def _origins(config: Config) -> Cors:
    """Where no secret is checked that a page can't have, any page that a user opens could read and delete their
    conversations: `*` is nobody."""
    if config.authentication.module in SECRET_CHECKED:
        return Cors(config.service.cors)
    named = tuple(origin for origin in config.service.cors.allow_origins if origin != "*")
    return Cors(replace(config.service.cors, allow_origins=named))


def _hosts(config: Config) -> Hosts | None:
    if not config.authentication.module.startswith("noop"):
        return None
    public = urlsplit(config.service.base_url or "").hostname or ""
    return Hosts(config.service.allowed_hosts, (config.service.host, public))


def _surrounded(app: Flask, config: Config, made: Parts) -> Front:
    service = config.service
    return Front(
        app.wsgi_app,
        _slots(service),
        _origins(config),
        made.metrics,
        hosts=_hosts(config),
        root_path=service.root_path,
        access_log=service.access_log,
    )

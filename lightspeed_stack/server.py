"""The daemon: directories first, then gunicorn around `app.start`.

The configuration is read here and at each SIGHUP; workers made afterwards serve the new one. What must be done once
for all workers (directories, the index, old drafts, stale metrics) is done before the first is forked.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, MutableMapping
from pathlib import Path

from lightspeed_stack import app, config, places, references, rules
from lightspeed_stack.access import Authentication
from lightspeed_stack.auth.base import MAX_TOKEN_LENGTH
from lightspeed_stack.config import Config
from lightspeed_stack.daemon import credentials, exits, trial, web
from lightspeed_stack.daemon.config import ConfigError, Document, Fault, load
from lightspeed_stack.daemon.listen import Listen, check, inherited
from lightspeed_stack.daemon.notify import Notifier
from lightspeed_stack.runtime import Runtime, Taken

log = logging.getLogger(__name__)

TRIAL_SECONDS = 30
HEADER_MARGIN_BYTES = 256


def serve(path: Path, environ: MutableMapping[str, str]) -> int:
    """Serve until SIGTERM; returns an exit status."""
    daemon = _Daemon(path, environ)
    try:
        daemon.load()
        daemon.prepare()
        return web.serve(
            daemon.load,
            daemon.make_app,
            Notifier.take(environ),
            worker_exited=daemon.worker_exited,
            stopping=daemon.release,
            cut_short=daemon.cut_short,
        )
    except Taken as error:
        log.error("can't start: %s", error)
        return exits.TEMPFAIL
    except OSError as error:
        log.error("can't start: %s: %s", error.filename or "the system", error.strerror or error)
        return exits.CANTCREAT


def checked(document: Document) -> config.Config:
    """The configuration in `document` if the modules too can use it; raises `ConfigError`."""
    settings = config.read(document)
    try:
        places.check("state_dir", settings.state_dir)
        app.check(settings)
    except ConfigError as error:
        raise document.placed(error) from error
    return settings


def check_files(document: Document, settings: config.Config) -> tuple[Fault, ...]:
    """As `checked`, for the files that are named; returns what can't be judged from here."""
    try:
        doubts = references.check(settings, os.environ)
        if not any(doubt.key.startswith("service.") for doubt in doubts):
            check(_listen(settings))
    except ConfigError as error:
        raise document.placed(error) from error
    return document.placed(ConfigError(*doubts)).faults


class _Daemon:
    def __init__(self, path: Path, environ: MutableMapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._config: config.Config | None = None
        self._listen: Listen | None = None
        self._runtime: Runtime | None = None
        self._started: app.Started | None = None
        self._inherited = inherited(environ)

    @property
    def config(self) -> config.Config:
        if self._config is None:
            raise RuntimeError("load comes first")
        return self._config

    def load(self) -> Listen:
        document = load(self._path, self._environ)
        fresh = checked(document)
        listen = _listen(fresh)
        try:
            _refuse_anyone(fresh, self._inherited)
            check(listen, self._listen)
        except ConfigError as error:
            raise document.placed(error) from error
        if self._runtime is not None:
            self._try(document, fresh)
        self._config, self._listen = fresh, listen
        return listen

    def prepare(self) -> None:
        _make_state(self.config)
        self.runtime.take()
        app.prepare(self.config)

    def _try(self, document: Document, fresh: Config) -> None:
        """Whether a worker can start with `fresh`, before those that serve are replaced."""
        folder = self.runtime.path / "trial"

        def start() -> None:
            self.runtime.release()
            _make_state(fresh)
            app.prepare(fresh)
            app.create_app(fresh, folder)

        try:
            trial.run(start, TRIAL_SECONDS)
        except ConfigError as error:
            raise document.placed(error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def runtime(self) -> Runtime:
        """Where what may be lost goes, from the first start to the end: a reload does not move it."""
        if self._runtime is None:
            given = self.config.runtime_dir or self._environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or None
            self._runtime = Runtime(Path(given or self.config.state_dir) / "run")
        return self._runtime

    def release(self) -> None:
        """The next daemon may start while this one finishes its requests."""
        self.runtime.release()

    def make_app(self) -> web.WSGIApplication:
        self.runtime.release()
        self._started = app.start(self.config, self.runtime.path)
        return self._started.application

    def cut_short(self) -> None:
        """In a worker, at the end of its time."""
        if self._started is not None:
            self._started.cut_short()

    def worker_exited(self, pid: int) -> None:
        app.worker_exited(self.runtime.path, pid)


def _make_state(settings: config.Config) -> None:
    settings.state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)


def _refuse_anyone(settings: Config, hosts: Iterable[str]) -> None:
    """The socket unit's addresses are served instead of the configured one."""
    asked = settings.authentication
    for host in hosts:
        if fault := rules.anyone_may_ask(asked.module, host, allow_insecure=asked.allow_insecure):
            raise ConfigError(Fault("", "authentication.module", fault))


def _listen(settings: config.Config) -> Listen:
    service, tls = settings.service, settings.service.tls_config
    password = tls.tls_key_password if tls else None
    return Listen(
        host=service.host,
        port=service.port,
        workers=service.workers,
        threads=app.threads(service),
        pin_workers=service.pin_workers,
        max_header_bytes=_max_header_bytes(settings.authentication),
        read_timeout_seconds=service.request_read_timeout_seconds,
        write_timeout_seconds=service.response_write_timeout_seconds,
        graceful_timeout_seconds=service.graceful_timeout_seconds,
        tls_certificate=credentials.locate(tls.tls_certificate_path, os.environ) if tls else None,
        tls_key=credentials.locate(tls.tls_key_path, os.environ) if tls else None,
        tls_key_password=(lambda: credentials.read(password, os.environ)) if password else None,
    )


def _max_header_bytes(authentication: Authentication) -> int:
    """Room for the largest credentials that authentication takes, and for what stands around them."""
    identity = authentication.rh_identity_config
    return HEADER_MARGIN_BYTES + max(MAX_TOKEN_LENGTH, identity.max_header_size if identity else 0)

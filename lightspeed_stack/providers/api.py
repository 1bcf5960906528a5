"""One server with the chat-completions API: its address, the headers that it wants, its key.

The key comes from the configuration or from a file, which is read anew when it changes. Neither is ever logged.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lightspeed_stack import config
from lightspeed_stack.daemon import credentials
from lightspeed_stack.daemon.config import ConfigError, Fault
from lightspeed_stack.daemon.credentials import CredentialError
from lightspeed_stack.daemon.schema import Secret
from lightspeed_stack.daemon.version import VERSION
from lightspeed_stack.providers import completions, dial
from lightspeed_stack.providers.base import Client
from lightspeed_stack.providers.dial import Dialer
from lightspeed_stack.providers.exchange import Exchange, Limits
from lightspeed_stack.providers.pool import Pool

_EVENT_BYTES = 256  # of one event, which may bring but a byte of text
_THOUGHT_BYTES = 65536  # come on top
OPENAI = "https://api.openai.com/v1"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Api:
    """`tells_usage` until the server is found to refuse `stream_options`."""

    def __init__(self, settings: config.Provider) -> None:
        """Raises ConfigError for an address, a header or a CA bundle that is of no use."""
        self.tells_usage = True
        self._dialer = _dialer(settings)
        self._pool = Pool(self._dialer)
        self._key = Key(settings.api_key, settings.api_key_file)
        self._headers = self._common(settings)
        self.max_answer_bytes = settings.max_answer_bytes
        silence, total = settings.read_timeout_seconds, settings.total_timeout_seconds
        self._whole = Limits(silence, total, completions.largest(self.max_answer_bytes))
        self._patient = replace(self._whole, silence_seconds=total)
        self._in_pieces = Limits(silence, total, _EVENT_BYTES * (self.max_answer_bytes + _THOUGHT_BYTES))

    def look_up(self) -> None:
        """Find out now where the server is: a request that follows need not block for that."""
        self._dialer.look_up()

    def ask(self, body: bytes, *, patient: bool) -> Exchange:
        """POST a question. Raises CredentialError when the key can't be read.

        A server that does not stream is silent while it composes: who is `patient` lets it be until the time is up.
        """
        return self._exchange("POST", "chat/completions", body, self._patient if patient else self._whole)

    def ask_for_stream(self, body: bytes, client: Client | None) -> Exchange:
        """As `ask`, for an answer whose text is for the reader to limit."""
        return self._exchange("POST", "chat/completions", body, self._in_pieces, client)

    def look(self, resource: str, limits: Limits) -> Exchange:
        """GET a resource, looking up first where the server is. Raises CredentialError when the key can't be read."""
        self.look_up()
        return self._exchange("GET", resource, b"", limits)

    def _exchange(
        self, method: str, resource: str, body: bytes, limits: Limits, client: Client | None = None
    ) -> Exchange:
        target = self._dialer.target
        place = target.resource(resource)
        if self._dialer.proxy_headers is not None:
            place = f"http://{target.authority}{place}"
        head = f"{method} {place} HTTP/1.1\r\n{self._headers}{self._key.header()}Content-Length: {len(body)}\r\n\r\n"
        return Exchange(self._pool, head.encode("latin-1") + body, limits, client)

    def _common(self, settings: config.Provider) -> str:
        fields = {
            "Host": self._dialer.target.authority,
            "User-Agent": f"lightspeed-stack/{VERSION}",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        own = {name: _checked(settings.name, name, value.reveal()) for name, value in settings.headers.items()}
        names = {name.lower() for name in own}
        kept = {name: value for name, value in fields.items() if name.lower() not in names}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (kept | own).items())
        return lines + (self._dialer.proxy_headers or "")


class Key:
    """A bearer token, or the file that holds it."""

    def __init__(self, text: Secret | None, file: Path | None, environ: Mapping[str, str] = os.environ) -> None:
        self._header = _bearer(text.reveal()) if text else ""
        self._file = None if text or file is None else credentials.locate(file, environ)
        self._environ = environ
        self._seen: tuple[int, int, int] | None = None

    def header(self) -> str:
        """The header's line, empty without a key. Raises CredentialError."""
        if self._file is not None:
            seen = _state(self._file)
            if seen != self._seen or seen is None:
                self._header = _bearer(credentials.read(self._file, self._environ))
                self._seen = seen
        return self._header


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _bearer(key: str) -> str:
    if not _VALUE.fullmatch(key):
        raise CredentialError("the API key has characters that a header can't have")
    return f"Authorization: Bearer {key}\r\n"


def _dialer(settings: config.Provider) -> Dialer:
    try:
        target = dial.parse(settings.base_url or OPENAI)
    except ValueError as error:
        raise ConfigError(_fault(settings.name, "base_url", str(error))) from None
    try:
        return Dialer(target, settings.connect_timeout_seconds, settings.ca_bundle)
    except (OSError, ssl.SSLError) as error:
        message = f"{settings.ca_bundle}: {error.strerror or 'no PEM certificates in it'}"
        raise ConfigError(_fault(settings.name, "ca_bundle", message)) from None


def _checked(provider: str, name: str, value: str) -> str:
    if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ConfigError(_fault(provider, f"headers.{name!a}", "not a header's name and value"))
    return value


def _fault(provider: str, key: str, message: str) -> Fault:
    return Fault("", f"inference.providers ({provider}): {key}", message)

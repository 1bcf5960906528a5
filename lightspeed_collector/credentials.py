"""The bearer token: from the configuration, from a file read anew for each run, or from an OAuth2 server.

No token is ever logged, put into an error or handed to another program.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode

from lightspeed_collector import answers
from lightspeed_collector.config import OAuth2
from lightspeed_collector.errors import Busy, Misconfigured, Refused
from lightspeed_collector.exchange import Exchange, Reply, Unreachable, Unusable
from lightspeed_stack.daemon import credentials
from lightspeed_stack.daemon.schema import Secret

_TOKEN_URL = "oauth2.token_url"  # noqa: S105 - a key, not a secret
_MARGIN_SECONDS = 60.0
_SHORTEST_SECONDS = 300.0


class Credentials(Protocol):
    def token(self) -> Secret | None:
        """None when the ingress wants none. Raises `Misconfigured`, and what getting one over the network can raise."""

    def renew(self) -> None:
        """The last token was not accepted: don't give the same from memory again."""


class Fixed:
    def __init__(self, token: Secret | None) -> None:
        self._token = token

    def token(self) -> Secret | None:
        return self._token and _sound(self._token.reveal(), "ingress_server_auth_token")

    def renew(self) -> None:
        return


class FromFile:
    def __init__(self, path: Path, environ: Mapping[str, str], key: str) -> None:
        self._path = path
        self._environ = environ
        self._key = key

    def token(self) -> Secret:
        try:
            return _sound(credentials.read(self._path, self._environ), self._key)
        except credentials.CredentialError as error:
            raise Misconfigured(f"{self._key}: {error}") from error

    def renew(self) -> None:
        return


class ClientCredentials:
    """RFC 6749, 4.4; a token is kept until shortly before it expires."""

    def __init__(self, settings: OAuth2, exchange: Exchange, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._exchange = exchange
        self._secret = FromFile(settings.client_secret_file, environ, "oauth2.client_secret_file")
        self._token: Secret | None = None
        self._good_until = 0.0

    def token(self) -> Secret:
        if self._token is None or time.monotonic() >= self._good_until:
            self._token, lifetime = _granted(self._ask())
            self._good_until = time.monotonic() + lifetime - min(_MARGIN_SECONDS, lifetime / 2)
        return self._token

    def renew(self) -> None:
        self._token = None

    def _ask(self) -> Reply:
        pair = f"{quote(self._settings.client_id, '')}:{quote(self._secret.token().reveal(), '')}"
        headers = {
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        form = {"grant_type": "client_credentials", **({"scope": self._settings.scope} if self._settings.scope else {})}
        try:
            return self._exchange.post(self._settings.token_url, headers, urlencode(form).encode(), _TOKEN_URL)
        except Unreachable as error:
            raise Busy(f"{_TOKEN_URL}: {error}") from error
        except Unusable as error:
            raise Refused(f"{_TOKEN_URL}: {error}: everything is kept") from error


def create(
    token: Secret | None, file: Path | None, oauth2: OAuth2 | None, exchange: Exchange, environ: Mapping[str, str]
) -> Credentials:
    if oauth2 is not None:
        return ClientCredentials(oauth2, exchange, environ)
    if file is not None:
        return FromFile(file, environ, "ingress_server_auth_token_file")
    return Fixed(token)


def _sound(text: str, key: str) -> Secret:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Misconfigured(f"{key}: not a token: it has characters that no HTTP header can carry")
    return Secret(text)


def _granted(reply: Reply) -> tuple[Secret, float]:
    if reply.status != 200:
        kind = Busy if answers.meaning(reply.status, b"") is answers.Meaning.BUSY else Refused
        raise kind(f"oauth2.token_url answered {reply.status} (see oauth2)")
    try:
        grant = json.loads(reply.body)
        return _sound(str(grant["access_token"]), "oauth2"), float(grant.get("expires_in") or _SHORTEST_SECONDS)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("oauth2.token_url answered without an access_token") from error

"""The public keys of who signs the tokens: a JSON Web Key Set (RFC 7517), fetched, kept for an hour.

One fetch at a time, in a thread of its own; a request waits for it at most as long as configured. One that does not end
in twice that is given up, and each that hangs on has the next given twice as long, so that they stay few. A key that is
not known has the set fetched anew, at most every ten seconds. While the server is down, keys serve on for a day.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import requests
from urllib3.exceptions import HTTPError

log = logging.getLogger(__name__)

FRESH_SECONDS = 3600.0
STALE_SECONDS = 86400.0
RETRY_SECONDS = 10.0
FIRST_RETRY_SECONDS = 2.0
MAX_BYTES = 1 << 20

UNREACHABLE = "Unable to reach authentication key server"
NO_JSON = "Authentication key server returned invalid data"
MALFORMED = "Authentication keys are malformed"

_ALGORITHMS: Mapping[tuple[str, object], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("EC", "secp256k1"): ("ES256K",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_PUBLIC = ("kty", "n", "e", "crv", "x", "y")


@dataclass(frozen=True)
class Key:
    kid: str | None
    algorithms: tuple[str, ...]
    key: Any


class Unavailable(Exception):
    """There are no keys; the text is one that a client may read."""


class KeyServer:
    def __init__(
        self, url: str, ca_bundle: Path | None, timeout_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._verify: bool | str = str(ca_bundle) if ca_bundle else True
        self._timeout = timeout_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: tuple[Key, ...] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failure: str | None = None
        self._pending: threading.Thread | None = None
        self._hanging: list[threading.Thread] = []

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key `kid`, or without one the first, that signs with `algorithm`; raises `Unavailable`."""
        deadline = self._clock() + self._timeout
        if self._age() > FRESH_SECONDS:
            self._refresh(deadline if self._must_wait() else 0)
        if self._age() > STALE_SECONDS:
            raise Unavailable(self._failure or UNREACHABLE)
        key = _choose(self._keys, kid, algorithm)
        if key is None and kid is not None:
            self._refresh(deadline)
            key = _choose(self._keys, kid, algorithm)
        return key

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _must_wait(self) -> bool:
        return self._failure is None or self._age() > STALE_SECONDS

    def _refresh(self, deadline: float) -> None:
        """Wait until `deadline` for the fetch under way, or for a new one unless the last was just now."""
        with self._lock:
            self._give_up_what_hangs()
            if self._pending is None and self._may_try():
                self._begin()
            pending = self._pending
        if pending is not None:
            pending.join(max(0.0, deadline - self._clock()))

    def _give_up_what_hangs(self) -> None:
        if self._pending is None or self._tried_at is None:
            return
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if self._clock() - self._tried_at > 2 * self._timeout * 2 ** len(self._hanging):
            log.warning("authentication keys: %s: the answer does not end", UNREACHABLE)
            self._hanging.append(self._pending)
            self._pending, self._failure = None, UNREACHABLE

    def _begin(self) -> None:
        self._tried_at = self._clock()
        fetch = threading.Thread(target=self._fetch, name="jwks", daemon=True)
        try:
            fetch.start()
        except RuntimeError as error:
            log.warning("authentication keys: %s: %s", UNREACHABLE, error)
            self._failure = UNREACHABLE
        else:
            self._pending = fetch

    def _may_try(self) -> bool:
        pause = FIRST_RETRY_SECONDS if self._fetched_at is None else RETRY_SECONDS
        return self._tried_at is None or self._clock() - self._tried_at >= pause

    def _fetch(self) -> None:
        failure: str | None = UNREACHABLE
        keys = self._keys
        try:
            keys, failure = parse(self._download()), None
        except Unavailable as error:
            failure = str(error)
            log.warning("authentication keys: %s", failure)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            log.warning("authentication keys: %s: %s", failure, type(error).__name__)
        finally:  # whatever ended it, the next request may try again
            with self._lock:
                if self._pending is threading.current_thread():
                    self._keys, self._failure, self._pending = keys, failure, None
                    self._fetched_at = self._fetched_at if failure else self._clock()

    def _download(self) -> bytes:
        ends = time.monotonic() + self._timeout
        with requests.get(
            self._url,
            timeout=self._timeout,
            verify=self._verify,
            stream=True,
            auth=_no_credentials,
            allow_redirects=False,
        ) as answer:
            answer.raise_for_status()
            body = b""
            while piece := answer.raw.read1(
                1 << 16, decode_content=True
            ):  # whatever has come: iter_content waits for more
                body += piece
                if len(body) > MAX_BYTES:
                    raise Unavailable(NO_JSON)
                if time.monotonic() > ends:
                    raise Unavailable(UNREACHABLE)
            return body


def parse(body: bytes) -> tuple[Key, ...]:
    """The keys that can verify signatures; others are passed over. Raises `Unavailable` when there are none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Unavailable(NO_JSON) from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise Unavailable(MALFORMED)
    keys = tuple(_usable(members))
    if not keys:
        raise Unavailable(MALFORMED)
    return keys


def _usable(members: Sequence[object]) -> Iterator[Key]:
    for member in members:
        if isinstance(member, dict) and member.get("use", "sig") == "sig":
            try:
                if algorithms := _algorithms(member):
                    public = {name: member[name] for name in _PUBLIC if name in member}
                    yield Key(member.get("kid"), algorithms, jwt.PyJWK(public, algorithms[0]).key)
            except (jwt.PyJWTError, ValueError, TypeError):
                continue


def _algorithms(member: Mapping[str, object]) -> tuple[str, ...]:
    """Never those with a shared secret: what everybody can fetch is none."""
    kind, curve, own = member.get("kty"), member.get("crv"), member.get("alg")
    known = _ALGORITHMS.get((kind, None if kind == "RSA" else curve), ()) if isinstance(kind, str) else ()
    return tuple(name for name in known if own in (None, name))


def _choose(keys: Sequence[Key], kid: str | None, algorithm: str) -> Key | None:
    return next((key for key in keys if algorithm in key.algorithms and kid in (None, key.kid)), None)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from looking into ~/.netrc."""
    return request

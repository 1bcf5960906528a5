"""The network: one request and its answer with `requests`, on a connection of its own that another thread can cut off.

Redirects are not followed and ~/.netrc is not read; proxies come from the environment.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy

from lightspeed_collector import tcp
from lightspeed_collector.diagnosis import Diagnosis, Way, diagnose
from lightspeed_collector.errors import Misconfigured
from lightspeed_collector.exchange import Body, Reply, Tls

_MAX_BODY = 65536
_BODY_SECONDS = 5.0
_STATUS_LINE_BYTES = len("HTTP/1.1 202\r\n\r\n")
_TLS_RECORD_BYTES = 21  # at least (RFC 8446, 5.2)


class Call:
    """The exchange itself, in a thread of its own; `abort` may be called from another."""

    def __init__(self, url: str, key: str, tls: Tls, timeout: float) -> None:
        """`key` is the one of the configuration that gave `url`."""
        self._url = url
        self._proxies = get_environ_proxies(url)
        self.way = Way(url, key, select_proxy(url, self._proxies))
        self._tls = tls
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self.aborted = False
        self._before_the_body = 0
        self._before_the_end: int | None = None
        self.reply = Reply()

    def post(self, headers: Mapping[str, str], body: Body | bytes) -> Diagnosis | None:
        """Fills `reply`, or says why there is none."""
        try:
            data = body if isinstance(body, bytes) else _Paced(body, self._drain)
            with self._session() as session, self._send(session, headers, data) as response:
                if self.aborted:  # the end that we put to it ended the head of the answer as well
                    return Diagnosis(f"{self.way}: the answer was cut short")
                self.reply.headers = response.headers
                self.reply.status = response.status_code
                self._read(response)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise Misconfigured(f"{self.way.key} or the proxy's URL is not one that can be used") from error
        except (requests.RequestException, OSError) as error:
            return diagnose(error, self.way, self._timeout, connected=self._socket is not None)
        return None

    def abort(self) -> None:
        """Wake the thread from whatever the socket lets it wait for."""
        self.aborted = True
        if self._socket is not None:
            _shut(self._socket)

    def attach(self, connected: Any) -> None:
        """`connected` is a socket, or TLS within TLS around one."""
        while not isinstance(connected, socket.socket):
            connected = connected.socket
        self._socket = connected
        self._before_the_body = tcp.received(connected)
        if self.aborted:
            _shut(connected)

    def _drain(self) -> None:
        """Called when only the end of the body is still to be sent."""
        if self._socket is not None:
            tcp.drain(self._socket, self._timeout)
            self._before_the_end = tcp.received(self._socket)

    def broke_off(self) -> None:
        """Called when not all of the request could be sent."""
        self._before_the_end = None

    def heard(self, response: Any) -> None:
        """Called when the head of an answer is here, and its connection still is."""
        if self._socket is None or self._before_the_end is None:
            return
        head = _STATUS_LINE_BYTES + sum(len(f"{name}:{value}\r\n") for name, value in response.headers.items())
        early, received = self._before_the_end - self._before_the_body, tcp.received(self._socket)
        tls = isinstance(self._socket, ssl.SSLSocket)
        in_time = came_last(head, early, received - self._before_the_end, tls=tls) or not received
        self.reply.to_all_of_it = in_time and not tcp.unacknowledged(self._socket)

    def _session(self) -> requests.Session:
        session = _Session()
        session.trust_env = False
        session.headers.clear()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _adapter(self))
        return session

    def _send(
        self, session: requests.Session, headers: Mapping[str, str], body: Iterable[bytes] | bytes
    ) -> requests.Response:
        return session.post(
            self._url,
            headers={**headers, "Connection": "close"},
            data=body,
            stream=True,
            allow_redirects=False,
            timeout=(self._timeout, self._timeout),
            proxies=self._proxies,
            verify=str(self._tls.ca_bundle) if self._tls.ca_bundle else True,
            cert=_pair(self._tls),
        )

    def _read(self, response: requests.Response) -> None:
        """What comes of the body within some seconds; the status is known already, so nothing here is a failure."""
        until = time.monotonic() + _BODY_SECONDS
        if self._socket is not None:
            self._socket.settimeout(_BODY_SECONDS)
        try:
            while len(self.reply.body) < _MAX_BODY and time.monotonic() < until:
                piece = response.raw.read1(_MAX_BODY, decode_content=False)
                if not piece:
                    return
                self.reply.body += piece
        except Exception:  # noqa: BLE001 - whatever it is, the answer counts
            return


def came_last(head: int, early: int, since: int, *, tls: bool) -> bool:
    """Whether a head of so many bytes came `since` the end of the body was sent, by what the connection has received before
    and since, in bytes.

    With TLS what came early may have been session tickets, and what comes late its goodbye.
    """
    return since >= head + _TLS_RECORD_BYTES if tls else early < head <= since


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None for any: even for a redirect that it doesn't follow `requests` reads all of the body and the Location."""


class _Paced:
    """A body whose last piece is only given after `drain`: an answer to what went before shows itself until then."""

    def __init__(self, body: Body, drain: Callable[[], None]) -> None:
        self._body = body
        self._drain = drain

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        left = len(self._body)
        for piece in self._body:
            left -= len(piece)
            if left <= 0:
                self._drain()
            yield piece


def _adapter(call: Call) -> Any:
    """An adapter whose connections show their socket to `call`."""

    class Adapter(HTTPAdapter):
        def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
            pool: Any = super().get_connection_with_tls_context(*args, **options)
            pool.ConnectionCls = _shown(pool.ConnectionCls, call)
            return pool

    return Adapter(max_retries=0)


def _shown(base: Any, call: Call) -> Any:
    class Connection(base):  # type: ignore[misc]  # urllib3 chooses the base by the URL
        def connect(self) -> None:
            super().connect()
            call.attach(self.sock)

        def send(self, data: Any) -> None:
            try:
                super().send(data)
            except OSError as error:
                call.broke_off()
                if self.sock is None or isinstance(error, TimeoutError):
                    raise
                # What the peer said before it hung up, an answer or that it doesn't want our certificate, is yet to be read:
                # urllib3 does that for a broken pipe alone, and TLS has other names for it.
                raise BrokenPipeError from error

        def getresponse(self) -> Any:
            response = super().getresponse()
            call.heard(response)
            return response

    return Connection


def _pair(tls: Tls) -> str | tuple[str, str] | None:
    if tls.client_cert is None:
        return None
    return (str(tls.client_cert), str(tls.client_key)) if tls.client_key else str(tls.client_cert)


def _shut(connected: socket.socket) -> None:
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return

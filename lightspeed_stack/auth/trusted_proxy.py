"""Believe a header of the reverse proxy in front: the user whom it has authenticated.

Only a peer on the list is believed, or one that came through a Unix socket, where the file's permissions decide. The proxy
must replace the header of a client's request, never add to it: a value with a comma is two headers, and refused.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from lightspeed_stack import errors
from lightspeed_stack.auth.base import Lookup, User, is_identifier
from lightspeed_stack.daemon.config import ConfigError, Fault

if TYPE_CHECKING:
    from lightspeed_stack.access import TrustedProxyConfig

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PROXIES = "authentication.trusted_proxy_config.allowed_proxies"


class TrustedProxy:
    def __init__(self, config: TrustedProxyConfig) -> None:
        self._header = config.user_header
        self._proxies = [_network(number, text) for number, text in enumerate(config.allowed_proxies)]

    def authenticate(self, headers: Lookup, args: Lookup, remote: str | None) -> User:
        if remote and not self._trusts(remote):
            raise errors.NotAuthenticated("The request did not come from a trusted proxy")
        value = _as_utf8(headers.get(self._header) or "").strip()
        if not value:
            raise errors.NotAuthenticated(f"Missing required header '{self._header}'")
        if "," in value or not is_identifier(value):
            raise errors.NotAuthenticated(f"Invalid value of header '{self._header}'")
        return User(value, value, skip_userid_check=True)

    def _trusts(self, remote: str) -> bool:
        try:
            address = ipaddress.ip_address(remote.partition("%")[0])
        except ValueError:
            return False
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in self._proxies)


def _network(number: int, text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(Fault("", f"{_PROXIES}[{number}]", "expected an IP address or a network")) from None


def _as_utf8(header: str) -> str:
    """WSGI hands bytes over as Latin-1 (PEP 3333)."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except ValueError:
        return header

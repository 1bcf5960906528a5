"""The configuration's sections about who may ask and do what: frozen values, part of `config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lightspeed_stack.daemon.schema import Secret


@dataclass(frozen=True)
class ApiKey:
    user_id: str
    sha256: Secret


@dataclass(frozen=True)
class ApiKeyConfig:
    api_key: Secret | None
    keys: tuple[ApiKey, ...]


@dataclass(frozen=True)
class JwtConfiguration:
    user_id_claim: str
    username_claim: str
    role_rules: tuple[RoleRule, ...]


@dataclass(frozen=True)
class RoleRule:
    """Give `roles` to a token whose claim at `jsonpath` (a dotted path) meets `operator` with `value`."""

    jsonpath: str
    operator: str
    value: object
    negate: bool
    roles: tuple[str, ...]


@dataclass(frozen=True)
class JwkConfig:
    url: str
    ca_bundle: Path | None
    fetch_timeout_seconds: float
    jwt_configuration: JwtConfiguration


@dataclass(frozen=True)
class RhIdentityConfig:
    required_entitlements: tuple[str, ...]
    max_header_size: int


@dataclass(frozen=True)
class TrustedProxyConfig:
    user_header: str
    allowed_proxies: tuple[str, ...]


@dataclass(frozen=True)
class Authentication:
    module: str
    allow_insecure: bool
    skip_for_health_probes: bool
    skip_for_metrics: bool
    api_key_config: ApiKeyConfig | None
    jwk_config: JwkConfig | None
    rh_identity_config: RhIdentityConfig | None
    trusted_proxy_config: TrustedProxyConfig | None


@dataclass(frozen=True)
class AccessRule:
    role: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Authorization:
    access_rules: tuple[AccessRule, ...]

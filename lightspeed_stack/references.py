"""`--check-config`: whether the files that the configuration names can be read; contents are the modules' to judge.

A credential that systemd gives to the unit alone can't be judged from a shell: it is a warning, as is a provider's key,
without which the daemon starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from lightspeed_stack.config import Config
from lightspeed_stack.daemon.config import ConfigError, Fault
from lightspeed_stack.daemon.credentials import is_of_a_unit, locate

_NOT_HERE = "not here: taken for a credential that systemd gives to the service"


def check(settings: Config, environ: Mapping[str, str]) -> list[Fault]:
    """The warnings; raises `ConfigError`. Neither names the file of the configuration."""
    faults: list[Fault] = []
    warnings: list[Fault] = []
    for key, path, needed in _named(settings):
        found = locate(path, environ)
        if error := _unreadable(found):
            away = is_of_a_unit(found, environ)
            fault = Fault("", key, f"{found}: {_NOT_HERE if away else error.strerror}")
            (faults if needed and not away else warnings).append(fault)
    if faults:
        raise ConfigError(*faults)
    return warnings


def _named(settings: Config) -> Iterator[tuple[str, Path, bool]]:
    """Key, file, and whether the daemon doesn't start without it."""
    if tls := settings.service.tls_config:
        for key in ("tls_certificate_path", "tls_key_path", "tls_key_password"):
            if path := getattr(tls, key):
                yield f"service.tls_config.{key}", path, True
    for number, provider in enumerate(settings.inference.providers):
        if provider.api_key_file:
            yield f"inference.providers[{number}].api_key_file", provider.api_key_file, False


def _unreadable(path: Path) -> OSError | None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError as error:
        return error
    return None

"""`--check-config`: whether the files that the configuration names are there and what they should be.

What can't be judged from here is a warning: a credential that systemd gives to the unit alone, a file that only the
collector's own user may read, anything in another daemon's unit (a reload of the stack must not fail for what only the
collector needs) or while the collector is disabled.
"""

from __future__ import annotations

import logging
import os
import pwd
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lightspeed_collector import credentials, tlsfiles
from lightspeed_collector.config import PART, Collector
from lightspeed_collector.errors import Misconfigured
from lightspeed_stack.daemon.config import ConfigError, Document, undotted
from lightspeed_stack.daemon.credentials import is_of_a_unit, locate

log = logging.getLogger(__name__)

_TLS = ("ca_bundle", "client_cert", "client_key")


def check(document: Document, settings: Collector, environ: Mapping[str, str]) -> None:
    """Logs the warnings; raises `ConfigError`."""
    faults = []
    named = dict(_named(settings, environ))
    for key, message, certain in _findings(settings, named, environ):
        fault = document.fault((PART, "data_collector", *undotted(key)), message)
        if certain and settings.enabled:
            faults.append(fault)
        else:
            log.warning("%s", fault)
    if faults:
        raise ConfigError(*faults)


def _named(settings: Collector, environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """The files by key."""
    given = {
        "ca_bundle": settings.ca_bundle,
        "client_cert": settings.client_cert,
        "client_key": settings.client_key,
        "ingress_server_auth_token_file": settings.ingress_server_auth_token_file,
        "oauth2.client_secret_file": settings.oauth2 and settings.oauth2.client_secret_file,
    }
    for key, path in given.items():
        if path:
            yield key, path if key == "ca_bundle" else locate(path, environ)


def _findings(
    settings: Collector, named: Mapping[str, Path], environ: Mapping[str, str]
) -> Iterator[tuple[str, str, bool]]:
    """Key, message, and whether a run would end with it."""
    absent = {key: error for key, path in named.items() if (error := tlsfiles.unreadable(path))}
    ours = _ours(settings.state_dir)
    certain = ours or "INVOCATION_ID" not in environ
    for key, error in absent.items():
        if key != "ca_bundle" and is_of_a_unit(named[key], environ if ours else {}):
            yield key, f"{named[key]}: not here: taken for a credential that systemd gives to the service", False
        elif isinstance(error, PermissionError) and not ours:
            yield key, f"{named[key]}: {error.strerror}: whether the collector's user may read it isn't known", False
        else:
            yield key, f"{named[key]}: {error.strerror}{_hint(named[key])}", certain
    for key in named.keys() - absent.keys():
        if other := _kept_from(named[key], settings.state_dir):
            yield key, f"{named[key]}: can be read by root, and not by {other}, who runs the collector", False
    for fault in _contents(settings, {key: path for key, path in named.items() if key not in absent}):
        yield *fault, certain


def _contents(settings: Collector, readable: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    whole = settings.client_key is None or "client_key" in readable
    tls = {key: readable.get(key) for key in _TLS if whole or key != "client_cert"}
    yield from _told(lambda: tlsfiles.check(tls))
    yield from _told(lambda: credentials.Fixed(settings.ingress_server_auth_token))
    for key in readable.keys() - set(_TLS):
        if readable[key].is_file():
            yield from _told(credentials.FromFile(readable[key], {}, key).token)


def _told(look: Callable[[], object]) -> Iterator[tuple[str, str]]:
    try:
        look()
    except Misconfigured as error:
        key, _, message = str(error).partition(": ")
        yield key, message


def _hint(path: Path) -> str:
    return " (%d isn't replaced: give the credential's name alone)" if path.parts[0] == "%d" else ""


def _kept_from(path: Path, state_dir: Path) -> str | None:
    """Asked by root: the owner of the state directory, when that user can't read the file."""
    if os.geteuid() != 0 or not state_dir.exists() or not (owner := state_dir.stat()).st_uid:
        return None
    command = ["test", "-r", str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and nothing of a request
            command, user=owner.st_uid, group=owner.st_gid, extra_groups=_groups(owner.st_uid), check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None  # root without the right to become another user can't tell
    return None if done.returncode == 0 else _name(owner.st_uid)


def _groups(user: int) -> list[int]:
    try:
        found = pwd.getpwuid(user)
    except KeyError:
        return []
    return os.getgrouplist(found.pw_name, found.pw_gid)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _ours(state_dir: Path) -> bool:
    """Whether we may do what a run does, so that what we can't read no run can."""
    there = next((folder for folder in (state_dir, *state_dir.parents) if os.path.lexists(folder)), Path("/"))
    return os.access(there, os.W_OK | os.X_OK)

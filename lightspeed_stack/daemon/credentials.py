"""Secrets from files: systemd credentials (LoadCredential=) and plain paths.

A path that is not absolute is looked for in $CREDENTIALS_DIRECTORY first. Contents are stripped of surrounding
white space; nothing of them appears in an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_CREDENTIALS = Path("/run/credentials")


class CredentialError(Exception):
    """The file can't be read or holds nothing."""


def locate(path: Path, environ: Mapping[str, str]) -> Path:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder and not path.is_absolute() and (Path(folder) / path).exists():
        return Path(folder) / path
    return path


def is_of_a_unit(path: Path, environ: Mapping[str, str]) -> bool:
    """Whether `path` can be a credential of a unit that this process is no part of (systemd.exec(5), Credentials)."""
    if path.is_relative_to(_CREDENTIALS):
        return not path.is_relative_to(environ.get("CREDENTIALS_DIRECTORY", "/nowhere"))
    return len(path.parts) == 1 and "CREDENTIALS_DIRECTORY" not in environ


def read(path: Path, environ: Mapping[str, str]) -> str:
    """The secret in `path`; raises `CredentialError` naming the file."""
    file = locate(path, environ)
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CredentialError(f"{file}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CredentialError(f"{file}: is not UTF-8 text") from error
    if not text:
        raise CredentialError(f"{file}: is empty")
    return text

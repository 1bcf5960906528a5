"""Bearer tokens (RFC 6750) from a file, one a line, read anew for each request so that they can be rotated."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from lightspeed_stack.daemon import credentials


class Bearer:
    """Without a file everybody is let in."""

    def __init__(self, file: Path | None, environ: Mapping[str, str]) -> None:
        self._file = file
        self._environ = environ

    def check(self) -> None:
        """Raises `CredentialError` when the file can't be read or is empty."""
        self._tokens()

    def admits(self, header: str | None) -> bool:
        """In a time that tells nothing of the tokens. Raises `CredentialError`."""
        tokens = self._tokens()
        if tokens is None:
            return True
        scheme, _, sent = (header or "").partition(" ")
        matches = [hmac.compare_digest(sent.strip().encode(), token.encode()) for token in tokens]
        return scheme.lower() == "bearer" and any(matches)

    def _tokens(self) -> list[str] | None:
        return credentials.read(self._file, self._environ).split() if self._file else None

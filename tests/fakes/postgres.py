"""A real PostgreSQL server of the test's own: a new cluster, reached through a Unix socket only, gone afterwards.

It needs the server's programs (Debian: apt-get install postgresql), and to be another user than root.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

USER = "lightspeed"


def missing() -> str | None:
    """Why no server can be started here; None if one can."""
    try:
        import psycopg  # noqa: F401  # asked for, not used
    except ImportError as error:
        return f"psycopg can't be imported: {error}"
    return None if _program("initdb") and _program("postgres") else "initdb and postgres are not installed"


class Postgres:
    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path may have 107 bytes
        self._as_user = _unprivileged()
        if self._as_user:
            os.chown(self.directory, self._as_user["user"], self._as_user["group"])
        data = str(self.directory / "data")
        initdb = [_program("initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/", **self._as_user)
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{USER}:s3cret-password@/postgres?host={self.directory}"

    def start(self) -> None:
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(self.directory)]
        command = [_program("postgres"), "-D", str(self.directory / "data"), *options]
        with (self.directory / "log").open("ab") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as_user)
        self._wait_until_ready()

    def stop(self) -> None:
        if self._server:
            self._server.send_signal(signal.SIGINT)  # the server's fast shutdown: it waits for no client
            self._server.wait(30)
            self._server = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def execute(self, statement: str) -> list[Any]:
        import psycopg

        with psycopg.connect(host=str(self.directory), user=USER, dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _wait_until_ready(self) -> None:
        import psycopg

        deadline = time.monotonic() + 30
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise RuntimeError((self.directory / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return


def _program(name: str) -> str:
    """The path of a program of the server, also where Debian puts it; "" if there is none."""
    found = shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), "")
    return os.path.realpath(found) if found else ""


def _unprivileged() -> dict[str, Any]:
    """Popen's arguments for another user than root, which the server refuses to be."""
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("no user to run the server as")

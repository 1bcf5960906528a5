"""Where the configuration says that the database is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lightspeed_stack.config import Database, Postgres, Sqlite
from lightspeed_stack.daemon.schema import Secret
from lightspeed_stack.database import address

STATE = Path("/var/lib/lightspeed-stack")
POSTGRES = Postgres(
    host="db.example.com",
    port=5433,
    db="lightspeed",
    user="stack",
    password=Secret("p@ss/word"),
    namespace="public",
    ssl_mode="verify-full",
    gss_encmode="disable",
    ca_cert_path=Path("/etc/ca.pem"),
)


def test_sqlite_in_the_state_directory_is_the_default() -> None:
    assert str(address(Database(None, None), STATE)) == "sqlite:////var/lib/lightspeed-stack/conversations.db"


def test_sqlite_file_can_be_named() -> None:
    assert str(address(Database(Sqlite(Path("/srv/c d.db")), None), STATE)) == "sqlite:////srv/c d.db"


def test_postgres_is_reached_as_configured() -> None:
    url = address(Database(None, POSTGRES), STATE)
    assert (url.drivername, url.host, url.port, url.database) == (
        "postgresql+psycopg",
        "db.example.com",
        5433,
        "lightspeed",
    )
    assert (url.username, url.password) == ("stack", "p@ss/word")
    assert url.query == {"sslmode": "verify-full", "gssencmode": "disable", "sslrootcert": "/etc/ca.pem"}
    assert "p@ss" not in repr(url)


def test_namespace_is_the_search_path() -> None:
    settings = dataclasses.replace(POSTGRES, namespace="assistant", password=None, ca_cert_path=None)
    url = address(Database(None, settings), STATE)
    assert url.query == {"sslmode": "verify-full", "gssencmode": "disable", "options": "-csearch_path=assistant"}
    assert url.password is None

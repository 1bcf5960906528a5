"""Where the configuration says that a PostgreSQL is. What is done with one is tested with the conversations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lightspeed_stack import postgres
from lightspeed_stack.config import Postgres
from lightspeed_stack.daemon.schema import Secret
from lightspeed_stack.database import Database, DatabaseError

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


def test_postgres_is_reached_as_configured() -> None:
    url = postgres.address(POSTGRES)
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
    url = postgres.address(settings)
    assert url.query == {"sslmode": "verify-full", "gssencmode": "disable", "options": "-csearch_path=assistant"}
    assert url.password is None


def test_driver_that_is_not_there_is_named() -> None:
    with pytest.raises(DatabaseError, match=r"needs psycopg2: pip install 'lightspeed-stack\[postgres\]'"):
        Database("postgresql+psycopg2://alice@127.0.0.1:1/db", lambda connection: None).rows("SELECT 1")

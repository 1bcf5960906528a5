"""Where the configuration says that the database is, and what reaching it loads."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightspeed_stack import database
from lightspeed_stack.config import Database, Sqlite
from lightspeed_stack.database import DatabaseError, address

STATE = Path("/var/lib/lightspeed-stack")


def test_sqlite_in_the_state_directory_is_the_default() -> None:
    assert str(address(Database(None, None), STATE)) == "sqlite:////var/lib/lightspeed-stack/conversations.db"


def test_sqlite_file_can_be_named() -> None:
    assert str(address(Database(Sqlite(Path("/srv/c d.db")), None), STATE)) == "sqlite:////srv/c d.db"


def test_sqlite_is_reached_without_sqlalchemy(tmp_path: Path) -> None:
    program = f"""
import sys
from lightspeed_stack import app
from lightspeed_stack.conversations import Conversations
Conversations("sqlite:///{tmp_path}/c.db").ping()
print("sqlalchemy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# a server that takes connections and never says a word


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def silent_database(server: socket.socket, pause_seconds: float) -> database.Database:
    url = f"postgresql+psycopg://alice@127.0.0.1:{server.getsockname()[1]}/db"
    return database.Database(url, lambda connection: None, wait_seconds=2, pause_seconds=pause_seconds)


def connected(server: socket.socket) -> int:
    """How many have connected."""
    count = 0
    while select.select([server], [], [], 0)[0]:
        server.accept()[0].close()
        count += 1
    return count


def test_those_who_wait_for_a_server_that_is_silent_fail_together(silent: socket.socket) -> None:
    tried = silent_database(silent, pause_seconds=600)
    told: list[str] = []

    def ask() -> None:
        with pytest.raises(DatabaseError) as raised:
            tried.rows("SELECT 1")
        told.append(str(raised.value))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ask()
    assert len(told) == 5
    assert all("127.0.0.1" in each for each in told)
    assert connected(silent) == 1


def test_a_silent_server_is_asked_again_after_a_pause(silent: socket.socket) -> None:
    tried = silent_database(silent, pause_seconds=0)
    with pytest.raises(DatabaseError, match="timeout"):
        tried.rows("SELECT 1")
    silent.close()
    with pytest.raises(DatabaseError, match="refused"):
        tried.rows("SELECT 1")

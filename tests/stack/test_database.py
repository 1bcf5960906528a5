"""Where the configuration says that the database is, and what reaching it loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lightspeed_stack.config import Database, Sqlite
from lightspeed_stack.database import address

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

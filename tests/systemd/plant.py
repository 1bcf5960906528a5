"""usage: plant.py FOLDER COUNT SIZE: put COUNT records of about SIZE bytes into a spool, each under a new name."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

folder, count, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
os.umask(0o027)
for _ in range(count):
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}_{uuid4()}_{os.urandom(4).hex()}.json"
    draft = folder / f".{name}"
    draft.write_text('{"llm_response": "' + os.urandom(size // 2).hex() + '"}')
    draft.rename(folder / name)

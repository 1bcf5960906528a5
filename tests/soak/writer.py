"""A process that spools records through the real writer, and names on stdout each one that was acknowledged.

A record tells of itself whether it is whole, so that one that was stored and not acknowledged can be judged as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from lightspeed_stack.spool import Spool

KINDS = ("transcripts", "feedback")
_LARGE_BYTES = 9_000_000


def record(dice: random.Random) -> bytes:
    text = dice.randbytes(min(int(dice.lognormvariate(6, 1.2)), 200_000)).hex()
    if dice.random() < 1 / 5000:
        text = text[:8] * (_LARGE_BYTES // 8)
    return json.dumps({"check": digest(text.encode()), "text": text}).encode()


def is_whole(data: bytes) -> bool:
    found = json.loads(data)
    return bool(digest(found["text"].encode()) == found["check"])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(folder: Path, seed: str, pause: float) -> None:
    """For ever: until it is killed, or nobody listens any more."""
    dice = random.Random(seed)
    spools = {kind: Spool(folder / kind, min_free_bytes=0) for kind in KINDS}
    while True:
        kind, data = dice.choice(KINDS), record(dice)
        name = spools[kind].put(str(uuid.UUID(int=dice.getrandbits(128))), data, datetime.now(UTC))
        os.write(sys.stdout.fileno(), f"{kind}/{name} {digest(data)}\n".encode())
        time.sleep(dice.expovariate(1 / pause))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))

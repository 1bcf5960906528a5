"""The collector: a spool of 102,000 records on tmpfs sent and deleted, ten times as many, and an empty one.

    python -m bench.collector [RECORDS [ROUNDS]]

Beside it, in turn, the same records by `tar | gzip -6 | curl` and `rm`. The ingress reads and forgets.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.load import Row, table
from tests.fakes.daemon import ROOT, Process

RECORDS = 102_000
PLACE = "/dev/shm"
LARGEST_ARCHIVE = 150_000_000
GOAL_SECONDS, GOAL_MEGABYTES, GOAL_MEGABYTES_MANY, GOAL_EMPTY_MS = 4.5, 64, 96, 150


@dataclass(frozen=True)
class Cost:
    seconds: float
    megabytes: float


class Site:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.url = url
        self.file = folder / "lightspeed-stack.yaml"
        collector = {
            "enabled": True,
            "ingress_server_url": url,
            "ingress_content_service_name": "bench",
            "state_dir": str(folder / "state"),
            "max_record_age": None,
            "max_archive_bytes": LARGEST_ARCHIVE,
        }
        part = {"transcripts_enabled": True, "transcripts_storage": str(self.spool), "feedback_storage": None}
        self.file.write_text(yaml.safe_dump({"user_data_collection": {**part, "data_collector": collector}}))

    def fill(self, count: int) -> None:
        """Records of 2 KB, whose text compresses as English does."""
        noise = random.Random(count)
        words = ["".join(noise.choices("etaoinshrdlu", k=noise.randint(2, 9))) for _ in range(4000)]
        weights = [1 / (rank + 1) for rank in range(len(words))]
        self.spool.mkdir(exist_ok=True)
        for number in range(count):
            text = " ".join(noise.choices(words, weights, k=330))
            conversation = f"{noise.getrandbits(32):08x}-72d6-42a3-98bf-{noise.getrandbits(48):012x}"
            made = f"{number // 10**9:02d}{number // 10**7 % 100:02d}{number // 10**6 % 10:02d}.{number % 10**6:06d}"
            name = f"20250804T{made}Z_{conversation}_{noise.getrandbits(32):08x}.json"
            record = {"metadata": {"conversation_id": conversation}, "redacted_query": text[:300], "llm_response": text}
            (self.spool / name).write_text(json.dumps(record))

    def fill_large(self, megabytes: int) -> None:
        """Records of 1 MB that hardly compress: four bytes of them become about three in the archive."""
        noise = random.Random(megabytes)
        self.spool.mkdir(exist_ok=True)
        for number in range(megabytes):
            text = base64.b64encode(noise.randbytes(750_000)).decode()
            name = f"20250804T{number:06d}.000000Z_{number:08x}-72d6-42a3-98bf-000000000000_{number:08x}.json"
            (self.spool / name).write_text(json.dumps({"llm_response": text}))

    def collect(self) -> Cost:
        cost = measure([sys.executable, "-m", "lightspeed_collector", "--config", str(self.file), "run"])
        assert not self.spool.exists() or not any(self.spool.iterdir()), "everything is sent and deleted"
        return cost

    def tar(self) -> Cost:
        pipe = f"tar -cf - -C {self.folder} spool | gzip -6 | curl -sf -T - -X POST {self.url} >/dev/null && rm -rf {self.spool}"
        return measure(["/bin/sh", "-c", pipe])


def measure(command: list[str]) -> Cost:
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Cost(time.monotonic() - began, usage.ru_maxrss / 1024)


@contextmanager
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(dir=PLACE))
    try:
        with Process([sys.executable, "-m", "bench.sink"]) as sink:
            yield Site(folder, sink.wait_for(r"ready: Serving at (http://\S+)").group(1))
    finally:
        shutil.rmtree(folder)


def archive_row() -> Row:
    """The memory of a run with one archive of 100 MiB beside that of a run with one of 7."""
    with site() as here:
        costs = []
        for size in (10, 140):
            here.fill_large(size)
            costs.append(here.collect().megabytes)
    few, many = costs
    figure = f"{many:.0f} MB RSS with an archive of 100 MiB, {few:.0f} MB with one of 7"
    return Row("memory while an archive is built and sent", figure, "constant", many - few < 8)


def rows(records: int = RECORDS, rounds: int = 3) -> list[Row]:
    with site() as here:
        empty = statistics.median(here.collect().seconds for _ in range(9)) * 1000
        few, tar = [], []
        for _ in range(rounds):
            here.fill(records)
            few.append(here.collect())
            here.fill(records)
            tar.append(here.tar())
        here.fill(records * 10)
        many = here.collect()
    seconds = statistics.median(cost.seconds for cost in few)
    theirs = statistics.median(cost.seconds for cost in tar)
    megabytes = max(cost.megabytes for cost in few)
    return [
        archive_row(),
        Row(
            f"{records:,} records sent and deleted", f"{seconds:.1f} s", f"≤ {GOAL_SECONDS} s", seconds <= GOAL_SECONDS
        ),
        Row("the same, peak memory", f"{megabytes:.0f} MB RSS", f"≤ {GOAL_MEGABYTES} MB", megabytes <= GOAL_MEGABYTES),
        Row("the same by tar | gzip -6 | curl + rm", f"{theirs:.1f} s", "slower than ours", theirs > seconds),
        Row(
            f"{records * 10:,} records",
            f"{many.seconds:.1f} s, {many.seconds / seconds:.1f} times as long",
            "≤ 10 times",
            many.seconds <= 10 * seconds,
        ),
        Row(
            "the same, peak memory",
            f"{many.megabytes:.0f} MB RSS",
            f"≤ {GOAL_MEGABYTES_MANY} MB",
            many.megabytes <= GOAL_MEGABYTES_MANY,
        ),
        Row("an empty spool", f"{empty:.0f} ms", f"≤ {GOAL_EMPTY_MS} ms", empty <= GOAL_EMPTY_MS),
    ]


if __name__ == "__main__":
    print(table(rows(*map(int, sys.argv[1:]))))

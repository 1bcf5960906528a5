"""`make soak`: run it for SECONDS, print one table; exit status 1 when something was lost, repeated or can't be explained."""

from __future__ import annotations

import argparse
import secrets
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.soak.audit import audit
from tests.soak.soak import Plan, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--seed", default="", help="empty for a new one")
    args = parser.parse_args()
    seed = args.seed or secrets.token_hex(4)
    print(f"soak: seed {seed}, {args.seconds:g} s of faults and kills", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="lightspeed-soak-"))
    table = audit(soak(Plan(folder, args.seconds, seed)))
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, seed {seed}, {args.seconds:g} s\n\n{table}\n")
    if table.passed:
        shutil.rmtree(folder)
        print("0 lost, 0 unexplained repeats")
        return 0
    print(f"FAILED; everything is kept in {folder}")
    return 1


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())

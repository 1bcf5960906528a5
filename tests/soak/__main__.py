"""`make soak`: run it for SECONDS, print one table; exit status 1 when something was lost, repeated or can't be explained."""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.soak.audit import Evidence, audit
from tests.soak.soak import Plan, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--seed", default="", help="empty for a new one")
    args = parser.parse_args()
    seed = args.seed or secrets.token_hex(4)
    print(f"soak: seed {seed}, {args.seconds:g} s of faults and kills", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="lightspeed-soak-"))
    found = soak(Plan(folder, args.seconds, seed))
    table = audit(found)
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, seed {seed}, {args.seconds:g} s\n\n{table}\n")
    if table.passed:
        shutil.rmtree(folder)
        print("0 lost, 0 unexplained repeats")
        return 0
    _keep(found)
    print(f"FAILED; everything is kept in {folder}")
    return 1


def _keep(found: Evidence) -> None:
    """What only this process knows: the journal of the network, when there were kills, the logs."""
    journal = "".join(json.dumps(seen._asdict()) + "\n" for seen in found.journal)
    (found.folder / "journal.jsonl").write_text(journal)
    actors = (found.writers, found.stack, found.runs, found.ingress)
    (found.folder / "kills.json").write_text(json.dumps({actor.name: actor.kills for actor in actors}))
    for actor in (found.stack, found.runs, found.ingress):
        (found.folder / f"{actor.name}.log").write_text("\n".join(actor.log))


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())

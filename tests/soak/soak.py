"""Everything at once: writers, a user, the collector, a faulty network and an ingress, killed at random; then peace, and
the audit."""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.soak.actors import Runs, SoakedIngress, SoakedStack, User, Writers
from tests.soak.audit import Evidence
from tests.soak.proxy import Proxy

_STANDSTILL_SECONDS = 180
_RELEASED_AT_ONCE = 200


@dataclass(frozen=True)
class Plan:
    """`pause` is the mean time between two kills; `peace` admits faults that keep the collector waiting for a minute."""

    folder: Path
    seconds: float
    seed: str
    writers: int = 3
    every: float = 2.0
    pause: float = 4.0
    killed_runs: float = 0.3
    faults: float = 0.4
    peace: bool = True


def soak(plan: Plan) -> Evidence:
    """Raises when the spool can't be emptied once everything is well."""
    folder = plan.folder
    with ExitStack() as stage:
        ingress = SoakedIngress(plan.seed, folder)
        stage.callback(ingress.stop)
        proxy = stage.enter_context(Proxy(lambda: ingress.address, plan.seed + "proxy", plan.faults, peace=plan.peace))
        stack = SoakedStack(plan.seed, folder, _settings(folder, proxy.url))
        stage.callback(stack.stop)
        runs = Runs(plan.seed, stack.file, plan.every, plan.killed_runs)
        writers = Writers(plan.seed, folder / "spool", plan.writers)
        user = User(lambda: stack.url)
        with ExitStack() as turmoil:
            for actor in (runs, stack, writers, user):
                turmoil.callback(actor.stop)
            turmoil.callback(proxy.calm)
            user.start()
            runs.start()
            _kill_at_random(plan, [writers, stack, ingress])
        set_aside = _drain(runs)
    return Evidence(folder, proxy.journal, writers, user, stack, runs, ingress, set_aside)


def _settings(folder: Path, url: str) -> dict[str, object]:
    return {
        "enabled": True,
        "ingress_server_url": url,
        "ingress_content_service_name": "lightspeed",
        "state_dir": str(folder / "collector"),
        "max_archive_bytes": 120_000,
        "connection_timeout_seconds": 1,
        "upload_deadline_seconds": 4,
        "retry_wait_seconds": 0.05,
        "metrics_textfile": str(folder / "collector.prom"),
    }


def _kill_at_random(plan: Plan, actors: list[Writers | SoakedStack | SoakedIngress]) -> None:
    dice = random.Random(plan.seed + "kills")
    until = time.monotonic() + plan.seconds
    never = threading.Event()
    waiting: list[Writers | SoakedStack | SoakedIngress] = []
    while (left := until - time.monotonic()) > 0 or waiting:
        never.wait(min(max(0.0, left), dice.expovariate(1 / plan.pause)))
        waiting = waiting or dice.sample(actors, len(actors))
        waiting.pop().kill()


def _drain(runs: Runs) -> list[dict[str, str]]:
    """Runs until nothing is left; what had been set aside by then is released and sent as well. Returns that."""
    _run_until_done(runs)
    listed = runs.command("quarantine", "list", "--json").stdout.splitlines()
    held: list[dict[str, str]] = [json.loads(line) for line in listed]
    members = [one["member"] for one in held]
    for start in range(0, len(members), _RELEASED_AT_ONCE):
        released = runs.command("quarantine", "release", *members[start : start + _RELEASED_AT_ONCE])
        assert released.returncode == 0, released.stderr
    _run_until_done(runs)
    return held


def _run_until_done(runs: Runs) -> None:
    """A run that the ingress asked to wait is tried again: the ingress meant a minute at most."""
    least, until = float("inf"), time.monotonic() + _STANDSTILL_SECONDS
    pause = threading.Event()
    while True:
        done = runs.command("run", "--json")
        left = json.loads(done.stdout)["left"]
        if done.returncode == 0 and left == 0:
            return
        if left is not None and left < least:
            least, until = left, time.monotonic() + _STANDSTILL_SECONDS
        assert time.monotonic() < until, done.stderr
        pause.wait(1)

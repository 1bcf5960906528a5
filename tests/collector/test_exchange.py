"""One deadline for an exchange, and signals that end it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes.ingress_faults import Behaviour, accept
from tests.fakes.site import Site


def much(site: Site) -> dict[str, bytes]:
    """Records whose archive is larger than what the kernel takes at once for a reader that doesn't read."""
    return {**site.put(3), **site.put(1, content=json.dumps({"noise": os.urandom(4 << 20).hex()}).encode())}


@pytest.mark.parametrize(
    "behaviour",
    [faults.stall_request, faults.stall_response(store=False), faults.endless_head(0.05, store=False)],
    ids=["sending", "waiting", "dripping"],
)
def test_signal_ends_a_stalled_upload_within_five_seconds(meet: Met, behaviour: Behaviour) -> None:
    site, ingress = meet(behaviour, accept())
    spooled = much(site)
    with site.start("run") as run:
        ingress.arrivals.get(timeout=30)
        began = time.monotonic()
        run.signal(signal.SIGTERM)
        assert run.wait(5) == 75
    assert time.monotonic() - began < 5
    assert site.run().status == 0
    assert ingress.records == spooled


def test_signal_while_the_answer_is_on_its_way_still_hears_it(meet: Met) -> None:
    gate = threading.Event()
    site, ingress = meet(faults.gated(gate, accept()))
    site.put(3)
    with site.start("--verbose", "run") as run:
        ingress.arrivals.get(timeout=30)
        run.signal(signal.SIGTERM)
        gate.set()
        run.wait(5)
    assert site.run().status == 0
    assert (site.waiting, len(ingress.uploads)) == ({}, 1)


def test_deadline_ends_a_stalled_upload(meet: Met) -> None:
    site, ingress = meet(faults.stall_request, accept(), connection_timeout_seconds=60, upload_deadline_seconds=2)
    spooled = much(site)
    assert site.run().status == 0
    assert ingress.records == spooled


def test_ca_bundle_that_is_missing_is_named(site: Site, tmp_path: Path) -> None:
    site.configure(ca_bundle=str(tmp_path / "nothing.pem"))
    site.put(1)
    done = site.run()
    assert done.status == 78
    assert "ca_bundle" in done.stderr

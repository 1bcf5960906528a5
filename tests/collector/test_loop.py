"""`run --interval` through the real command."""

import json
import signal
import socket
import threading
import time
from pathlib import Path

from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes.daemon import Process
from tests.fakes.ingress_faults import FaultyIngress, accept, answer
from tests.fakes.site import Site


def test_runs_again_and_again_until_the_signal(site: Site, ingress: FaultyIngress) -> None:
    with site.start("run", "--interval", "0.2") as loop:
        for number in (1, 2):
            site.put(1)
            ingress.arrivals.get(timeout=30)
            loop.wait_for(rf"request id r-000{number}")
        loop.signal(signal.SIGTERM)
        assert loop.wait(5) == 0
    assert len(ingress.stored) == 2


def test_interval_of_the_configuration_is_taken(site: Site) -> None:
    site.configure(collection_interval=1)
    with site.start("run", "--interval") as loop:
        loop.wait_for("0 left")
        began = time.monotonic()
        site.put(1)
        loop.wait_for("sent batch")
        assert 0.5 < time.monotonic() - began < 10
        loop.signal(signal.SIGINT)
        assert loop.wait(5) == 0


def test_failures_do_not_end_the_loop(meet: Met) -> None:
    site, ingress = meet(answer(403), answer(500, "Retry-After: 0"), faults.drop_request, accept())
    spooled = site.put(1)
    with site.start("run", "--interval", "0.1") as loop:
        loop.wait_for("request id r-0001")
        loop.signal(signal.SIGTERM)
        assert loop.wait(5) == 0
    assert ingress.records == spooled


def test_configuration_is_read_anew_and_a_faulty_one_is_not_taken(site: Site, ingress: FaultyIngress) -> None:
    with site.start("run", "--interval", "0.2") as loop:
        loop.wait_for("0 left")
        good = site.file.read_text()
        replace(site.file, "user_data_collection: {what: 1}")
        loop.wait_for("the configuration is kept as it was: .*unknown key")
        site.put(1)
        loop.wait_for("request id r-0001")
        assert "authorization" not in ingress.uploads[0].headers
        replace(site.file, good.replace("data_collector:", "data_collector:\n    ingress_server_auth_token: xxyyzz"))
        while "authorization" not in ingress.uploads[-1].headers:
            site.put(1)
            ingress.arrivals.get(timeout=30)


def replace(file: Path, text: str) -> None:
    """As an editor does, so that nobody reads half of it."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.rename(file)


def test_disabled_collector_has_nothing_to_wait_for(site: Site) -> None:
    site.configure(enabled=False)
    assert site.collector("run", "--interval", "0.2").status == 0


def test_signal_ends_a_run_inside_the_loop(meet: Met) -> None:
    site, ingress = meet(faults.stall_response(store=False))
    site.put(1)
    with site.start("run", "--interval") as loop:
        ingress.arrivals.get(timeout=30)
        loop.signal(signal.SIGTERM)
        assert loop.wait(5) == 0


def test_json_is_one_object_a_run(site: Site, tmp_path: Path) -> None:
    site.put(1)
    out = tmp_path / "out"
    shell = " ".join([*site.command("run", "--json", "--interval", "0.1"), f"> {out}"])
    with Process(["/bin/sh", "-c", f"exec {shell}"]) as loop:
        loop.wait_for("sent batch")
        loop.wait_for("sent 0 records")
        loop.signal(signal.SIGTERM)
        loop.wait(5)
    assert [json.loads(line)["sent"] for line in out.read_text().splitlines()][:2] == [1, 0]


def test_systemd_is_told_how_it_goes(meet: Met, tmp_path: Path) -> None:
    """READY, the status, the watchdog and a longer start timeout, while an upload stalls."""
    address = tmp_path / "notify"
    gate = threading.Event()
    site, ingress = meet(faults.gated(gate, accept()))
    site.put(1)
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(address))
        notify.settimeout(30)
        with site.start(
            "run", "--interval", environ={"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "10000000"}
        ) as loop:
            ingress.arrivals.get(timeout=30)
            while not any("WATCHDOG=1" in text for text in heard):
                heard.append(notify.recv(4096).decode())
            gate.set()
            loop.wait_for("sent batch")
            loop.signal(signal.SIGTERM)
            assert loop.wait(5) == 0
            while not any("STOPPING=1" in text for text in heard):
                heard.append(notify.recv(4096).decode())
    told = "\n".join(heard)
    assert "READY=1" in told
    assert "STATUS=Sent 1 of 1 records" in told
    assert "EXTEND_TIMEOUT_USEC=60000000" in told

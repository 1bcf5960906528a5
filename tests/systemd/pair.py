"""Both daemons on a machine: their configuration, requests to them, an ingress and a provider for them."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.daemon import merged
from tests.systemd.machine import Machine

TESTS = Path(__file__).parents[1]
CHECKOUT = "/opt/checkout"  # where a machine finds them: its /tmp and /home are its own
ETC = "/etc/lightspeed-stack"
SPOOL = "/var/lib/lightspeed"
INGRESS_PORT, PROVIDER_PORT = 8081, 8082
STACK, COLLECTOR = "lightspeed-stack.service", "lightspeed-collector.service"
CONFIG: dict[str, Any] = {
    "user_data_collection": {
        "feedback_enabled": True,
        "transcripts_enabled": True,
        "data_collector": {
            "enabled": True,
            "ingress_server_url": f"http://127.0.0.1:{INGRESS_PORT}/api/ingress/v1/upload",
            "ingress_content_service_name": "lightspeed",
            "retry_wait_seconds": 0.1,
        },
    }
}


class Pair:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._processes: list[subprocess.Popen[str]] = []

    def reset(self) -> None:
        for process in self._processes:
            self.machine.kill(process)
        self._processes.clear()
        units = (
            "lightspeed-collector.timer lightspeed-stack.socket lightspeed-stack.service lightspeed-collector.service"
        )
        self.machine.run(
            f"systemctl stop {units} 'test-*.service'; systemctl reset-failed {units};"
            f" rm -rf {SPOOL}/*/* {SPOOL}/*/.[!.]* /var/lib/lightspeed-stack/* /var/lib/lightspeed-collector/*"
            f" /var/lib/ingress /etc/credstore {ETC}/conf.d/* /etc/systemd/system/lightspeed-*.d;"
            " rm -f /etc/systemd/system/test-*",
            status=None,
        )
        self.configure({})
        self.machine.run("systemctl daemon-reload; journalctl --sync; journalctl --rotate --vacuum-time=1s -q")

    def configure(self, overrides: dict[str, Any]) -> None:
        """Write conf.d/50-test.yaml."""
        text = yaml.safe_dump(merged(CONFIG, overrides))
        self.machine.write(f"{ETC}/conf.d/50-test.yaml", text, 0o640, "root:lightspeed")

    def unit(self, unit: str, text: str) -> None:
        """Add a drop-in to a unit."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/99-test.conf", text)
        self.machine.run("systemctl daemon-reload")

    def hold(self, timer: str = "OnActiveSec=1w") -> None:
        """Start the collector's timer, to elapse at `timer` and not 2 minutes after the boot.

        A timer also makes systemd remember how its service's last run ended.
        """
        self.unit("lightspeed-collector.timer", f"[Timer]\nOnBootSec=\n{timer}\n")
        self.machine.run("systemctl start lightspeed-collector.timer")

    def credential(self, name: str, secret: str) -> None:
        self.machine.run("mkdir -p -m 0700 /etc/credstore")
        self.machine.write(f"/etc/credstore/{name}", secret, 0o600)

    def start(self) -> None:
        self.machine.run(f"systemctl start {STACK} || {{ journalctl --sync; journalctl -n 20 -u {STACK}; false; }}")

    def get(self, path: str) -> Any:
        return json.loads(self.machine.run(f"curl -sS --fail http://127.0.0.1:8080{path}"))

    def post(self, path: str, body: object) -> Any:
        return json.loads(self.machine.run(f"curl -sS --fail-with-body {self.request(path, body)}"))

    def request(self, path: str, body: object) -> str:
        """curl's arguments."""
        data = shlex.quote(json.dumps(body))
        return f"http://127.0.0.1:8080{path} -H 'Content-Type: application/json' -d {data}"

    def ask(self, question: str = "How do I restart a service?") -> Any:
        return self.post("/v1/query", {"query": question})

    def records(self, kind: str = "transcripts") -> list[str]:
        return self.machine.run(f"ls {SPOOL}/{kind}").split()

    def plant(self, count: int, size: int = 100) -> None:
        """Put transcripts into the spool as its writer would."""
        self.machine.run(
            f"runuser -u lightspeed-stack -g lightspeed -- python3 {CHECKOUT}/tests/systemd/plant.py"
            f" {SPOOL}/transcripts {count} {size}"
        )

    def ingress(self, options: str = "") -> None:
        """The reference ingress, storing in /var/lib/ingress."""
        self.serve(
            f"lightspeed-collector ingress --port {INGRESS_PORT} --store /var/lib/ingress {options}", INGRESS_PORT
        )

    def bad_ingress(self, behaviour: str) -> str:
        """An ingress that misbehaves, by an expression of tests/fakes/ingress_faults.py; returns its URL."""
        script = (
            "import threading; from tests.fakes import ingress_faults as f;"
            f" ingress = f.FaultyIngress(f.{behaviour}); ingress.__enter__();"
            " print(ingress.url, flush=True); threading.Event().wait()"
        )
        process = self.started(f"cd {CHECKOUT} && exec python3 -c {shlex.quote(script)}")
        assert process.stdout
        return process.stdout.readline().strip()

    def provider(self, behaviour: str) -> None:
        self.serve(
            f"cd {CHECKOUT} && python3 -m tests.fakes.provider --port {PROVIDER_PORT} --behaviour {behaviour}",
            PROVIDER_PORT,
        )

    def serve(self, script: str, port: int) -> None:
        self._processes.append(self.machine.start(f"exec {script}" if "&&" not in script else script))
        self.machine.wait_until(
            lambda: self.machine.ok(f"ss -Hltn 'sport = {port}' | grep -q ."), what=f"listening at {port}: {script}"
        )

    def stored(self) -> list[str]:
        """Names of the records that the ingress has."""
        return self.machine.run("for f in /var/lib/ingress/*.tar.gz; do tar -tzf $f; done", status=None).split()

    def started(self, script: str) -> subprocess.Popen[str]:
        process = self.machine.start(script)
        self._processes.append(process)
        return process

"""The unit files as installed: nothing that systemd complains of, nothing enabled, little exposed."""

from __future__ import annotations

import re

import pytest

from tests.systemd.conftest import ROOT
from tests.systemd.machine import Machine

UNITS = (
    "lightspeed-stack.service",
    "lightspeed-stack.socket",
    "lightspeed-collector.service",
    "lightspeed-collector.timer",
)
SERVICES = ("lightspeed-stack.service", "lightspeed-collector.service")


@pytest.mark.parametrize("unit", UNITS)
def test_verify_is_silent(machine: Machine, unit: str) -> None:
    assert machine.run(f"systemd-analyze verify {unit}") == ""


@pytest.mark.parametrize("service", SERVICES)
def test_exposure(machine: Machine, service: str) -> None:
    text = machine.run(f"systemd-analyze security --no-pager {service}")
    found = re.search(r"exposure level for .*: ([0-9.]+)", text)
    assert found, text
    assert float(found.group(1)) <= 1.2, text


def test_installing_enables_nothing(machine: Machine) -> None:
    assert machine.run("systemctl list-unit-files --state=enabled 'lightspeed*' --no-legend", status=None) == ""
    assert machine.run("systemctl list-units 'lightspeed*' --no-legend", status=None) == ""


def test_preset_enables_nothing(machine: Machine) -> None:
    machine.run(f"systemctl preset {' '.join(UNITS)}")
    assert machine.run("systemctl list-unit-files --state=enabled 'lightspeed*' --no-legend", status=None) == ""


def test_users_and_folders(machine: Machine) -> None:
    assert (
        machine.run("stat -c '%a %U %G' /var/lib/lightspeed/transcripts /var/lib/lightspeed/feedback").splitlines()
        == ["2770 lightspeed-stack lightspeed"] * 2
    )
    assert (
        machine.run("stat -c '%a %U %G' /etc/lightspeed-stack/lightspeed-stack.yaml").strip() == "640 root lightspeed"
    )
    assert machine.run("id -gn lightspeed-stack; id -gn lightspeed-collector").split() == ["lightspeed"] * 2


def test_example_of_an_ingress_as_a_service(machine: Machine) -> None:
    machine.copy(
        ROOT / "etc/examples/systemd/lightspeed-ingress.service", "/etc/systemd/system/lightspeed-ingress.service"
    )
    machine.run("mkdir -p -m 0700 /etc/credstore; echo secret >/etc/credstore/lightspeed-ingress.tokens")
    assert machine.run("systemctl daemon-reload; systemd-analyze verify lightspeed-ingress.service") == ""
    machine.run("systemctl start lightspeed-ingress")
    upload = "curl -s -o /dev/null -w %{http_code} http://127.0.0.1:8081/api/ingress/v1/upload -d test=test"
    assert machine.run(upload) == "401"
    assert machine.run(f"{upload} -H 'Authorization: Bearer secret'") == "200"
    machine.run(
        "systemctl stop lightspeed-ingress; rm -r /etc/systemd/system/lightspeed-ingress.service /etc/credstore"
    )


def test_manual_pages(machine: Machine) -> None:
    for page in ("8 lightspeed-stack", "8 lightspeed-collector", "5 lightspeed-stack.yaml", "5 lightspeed-spool"):
        assert "NAME" in machine.run(f"man --warnings {page}")


def test_completion_in_bash(machine: Machine) -> None:
    words = "COMP_WORDS=(lightspeed-collector qua); COMP_CWORD=1; COMP_LINE='lightspeed-collector qua'; COMP_POINT=24"
    script = (
        ". /usr/share/bash-completion/completions/lightspeed-collector;"
        f" {words}; $(complete -p lightspeed-collector | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo ${{COMPREPLY[@]}}"
    )
    machine.write("/root/complete.sh", script)
    assert machine.run("bash /root/complete.sh").split() == ["quarantine"]

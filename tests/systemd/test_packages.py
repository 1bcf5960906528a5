"""The packages through their lives: installed, upgraded while they run, removed, purged; and make install without one.

Each life has a machine of its own.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.conftest import ROOT, packages
from tests.systemd.machine import Machine
from tests.systemd.pair import COLLECTOR, ETC, SPOOL, STACK, Pair

LOCAL = f"{ETC}/conf.d/50-test.yaml"


@pytest.fixture
def bare() -> Iterator[Machine]:
    """A machine on which the product has never been."""
    with Machine() as booted:
        yield booted


def put(machine: Machine, kind: str) -> None:
    for name, package in zip(("old", "new"), packages(kind), strict=True):
        machine.copy(package, f"/root/{name}.{kind}")


def use(machine: Machine) -> Pair:
    """Configure, start, ask one question; the record stays in the spool."""
    pair = Pair(machine)
    pair.configure({})
    machine.run("systemctl enable --now lightspeed-stack.service lightspeed-collector.timer")
    pair.ask()
    return pair


def edit(machine: Machine) -> None:
    machine.run(f"sed -i 's/^name: .*/name: edited/' {ETC}/lightspeed-stack.yaml")


def main_pid(machine: Machine) -> str:
    return machine.show(STACK, "MainPID")["MainPID"]


def test_deb_upgrade_over_a_running_older_one_keeps_everything(bare: Machine) -> None:
    put(bare, "deb")
    bare.run("dpkg --install /root/old.deb")
    pair = use(bare)
    edit(bare)
    before, records = main_pid(bare), pair.records()
    secret = bare.run("sha256sum /var/lib/lightspeed-stack/user-id-secret")
    bare.run("dpkg --install /root/new.deb </dev/null")
    bare.wait_until(lambda: bare.ok("curl -sS --fail http://127.0.0.1:8080/liveness"))
    assert main_pid(bare) not in (before, "0")
    assert pair.records() == records
    assert bare.run("sha256sum /var/lib/lightspeed-stack/user-id-secret") == secret
    assert pair.get("/v1/info")["name"] == "edited"
    assert (
        bare.run("systemctl is-enabled lightspeed-stack.service lightspeed-collector.timer").split() == ["enabled"] * 2
    )
    assert len(pair.get("/v1/conversations")["conversations"]) == 1
    assert bare.run("systemctl --failed --no-legend") == ""


def test_deb_removed_keeps_data_and_configuration_until_it_is_purged(bare: Machine) -> None:
    put(bare, "deb")
    bare.run("dpkg --install /root/new.deb")
    pair = use(bare)
    edit(bare)
    records = pair.records()
    bare.run("dpkg --remove lightspeed-stack")
    assert not bare.ok("pgrep -u lightspeed-stack")
    assert not bare.ok("test -e /usr/lib/lightspeed-stack || test -e /usr/bin/lightspeed-stack")
    assert bare.run("systemctl list-unit-files 'lightspeed*' --no-legend", status=None) == ""
    assert pair.records() == records
    assert bare.ok(f"grep -q '^name: edited' {ETC}/lightspeed-stack.yaml && test -e {LOCAL}")
    bare.run("dpkg --install /root/new.deb")
    pair.start()
    assert pair.get("/v1/info")["name"] == "edited"
    assert len(pair.get("/v1/conversations")["conversations"]) == 1
    bare.run("dpkg --purge lightspeed-stack")
    for gone in (ETC, SPOOL, "/var/lib/lightspeed-stack", "/var/lib/lightspeed-collector"):
        assert not bare.ok(f"test -e {gone}"), gone
    assert bare.run("find /etc /usr -name '*lightspeed*' -not -path '*/proc/*'") == ""


def test_rpm_installed_upgraded_and_erased(bare: Machine) -> None:
    """Debian's rpm knows no package of the system, hence --nodeps; scripts, files and configuration are tested all the same."""
    put(bare, "rpm")
    bare.run("rpm --install --nodeps /root/old.rpm")
    pair = use(bare)
    edit(bare)
    before, records = main_pid(bare), pair.records()
    bare.run("rpm --upgrade --nodeps /root/new.rpm")
    bare.wait_until(lambda: bare.ok("curl -sS --fail http://127.0.0.1:8080/liveness"))
    assert main_pid(bare) not in (before, "0")
    assert pair.get("/v1/info")["name"] == "edited"
    assert pair.records() == records
    assert bare.run(
        f"rpm -q --qf '%{{VERSION}}' lightspeed-stack; stat -c ' %a %G' {ETC}/lightspeed-stack.yaml"
    ).split() == [
        bare.run("lightspeed-stack --version").split()[-1],
        "640",
        "lightspeed",
    ]
    bare.run("rpm --erase lightspeed-stack")
    assert not bare.ok("pgrep -u lightspeed-stack")
    assert not bare.ok("test -e /usr/lib/lightspeed-stack")
    assert pair.records() == records
    assert bare.ok(f"grep -q '^name: edited' {ETC}/lightspeed-stack.yaml.rpmsave")


def test_make_install_for_a_packager_and_on_the_machine_itself(bare: Machine, tmp_path: Path) -> None:
    make = ["make", "--no-print-directory", "--silent", "stage", f"DESTDIR={tmp_path}", "PREFIX=/opt/lightspeed"]
    subprocess.run(make, cwd=ROOT, check=True)
    (tmp_path / "etc/lightspeed-stack/lightspeed-stack.yaml").write_text("name: kept\n")
    subprocess.run(make, cwd=ROOT, check=True)
    assert (tmp_path / "etc/lightspeed-stack/lightspeed-stack.yaml").read_text() == "name: kept\n"
    assert (tmp_path / "etc/lightspeed-stack/lightspeed-stack.yaml.example").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"etc", "opt"}
    left = subprocess.run(["grep", "-rlF", str(tmp_path), str(tmp_path)], capture_output=True, text=True, check=False)
    assert left.stdout == ""

    bare.copy(tmp_path / "opt", "/opt")
    bare.copy(tmp_path / "etc/lightspeed-stack", ETC)
    bare.copy(ROOT / "systemd", "/root/systemd")
    bare.run("for u in /opt/lightspeed/lib/systemd/system/*; do systemctl link $u; done")
    bare.run(f"sh /root/systemd/activate /opt/lightspeed /etc; systemctl start {STACK}")
    assert Pair(bare).get("/v1/info")["name"] == "kept"
    bare.run(f"systemctl start {COLLECTOR}; /opt/lightspeed/bin/lightspeed-collector status")

"""What each daemon can't do: read the other's secrets, write elsewhere, gain rights.

A probe runs in the very unit: the same sandbox, user and credentials, another command.
"""

from __future__ import annotations

import json

import pytest

from tests.systemd.pair import COLLECTOR, STACK, Pair

STATE = {STACK: "/var/lib/lightspeed-stack", COLLECTOR: "/var/lib/lightspeed-collector"}
BOTH = pytest.mark.parametrize("unit", [STACK, COLLECTOR])
SCRIPT = """\
import json, os, sys

def attempt(code):
    try:
        return repr(eval(code))
    except OSError as error:
        return error.strerror

print(json.dumps({code: attempt(code) for code in json.load(sys.stdin)}))
"""


def probe(pair: Pair, unit: str, *attempts: str) -> list[str]:
    """What each Python expression gives inside the unit's sandbox: its value, or the error's text."""
    pair.machine.write("/usr/local/bin/probe.py", SCRIPT)
    pair.machine.write("/usr/local/share/attempts.json", json.dumps(attempts))
    pair.unit(
        unit,
        "[Service]\nType=oneshot\nWatchdogSec=0\nRestart=no\nExecStart=\nExecStart=/usr/bin/python3 /usr/local/bin/probe.py\n"
        "StandardInput=file:/usr/local/share/attempts.json\n",
    )
    pair.machine.run(f"systemctl start {unit}")
    lines = [record["MESSAGE"] for record in pair.machine.journal(unit)]
    answer = json.loads([line for line in lines if line.startswith('{"')][-1])
    return [answer[attempt] for attempt in attempts]


def other(unit: str) -> str:
    return COLLECTOR if unit == STACK else STACK


@BOTH
def test_the_other_ones_state_and_credentials_are_out_of_reach(pair: Pair, unit: str) -> None:
    pair.credential("lightspeed-stack.provider-key", "p")
    pair.credential("lightspeed-collector.ingress-token", "t")
    pair.machine.run(f"mkdir -p {STATE[other(unit)]}; echo secret >{STATE[other(unit)]}/secret")
    pair.machine.run(f"mkdir -p /run/credentials/{other(unit)}; echo secret >/run/credentials/{other(unit)}/secret")
    denied = probe(
        pair,
        unit,
        f"open('{STATE[other(unit)]}/secret').read()",
        f"os.listdir('{STATE[other(unit)]}')",
        "os.listdir('/etc/credstore')",
        f"open('/run/credentials/{other(unit)}/secret').read()",
        "open('/etc/shadow').read()",
    )
    assert set(denied) <= {"Permission denied", "No such file or directory"}, denied
    own = probe(pair, unit, "sorted(os.listdir(os.environ['CREDENTIALS_DIRECTORY']))")
    assert own == [
        {STACK: "['lightspeed-stack.provider-key']", COLLECTOR: "['lightspeed-collector.ingress-token']"}[unit]
    ]


@BOTH
def test_it_writes_to_its_own_places_only(pair: Pair, unit: str) -> None:
    mine, spool, *denied = probe(
        pair,
        unit,
        f"open('{STATE[unit]}/file', 'w').write('x')",
        "open('/var/lib/lightspeed/transcripts/.draft', 'w').write('x')",
        "open('/etc/lightspeed-stack/lightspeed-stack.yaml', 'a')",
        "open('/var/lib/other', 'w')",
        "open('/usr/lib/lightspeed-stack/pyvenv.cfg', 'a')",
        "os.mkdir('/var/lib/lightspeed/more')",
        "os.listdir('/root')",
    )
    assert (mine, spool) == ("1", "1")
    assert set(denied) <= {"Read-only file system", "Permission denied"}, denied


@BOTH
def test_it_gains_no_rights(pair: Pair, unit: str) -> None:
    answers = probe(
        pair,
        unit,
        "os.setuid(0)",
        "os.chown('/tmp', 0, 0)",
        "os.nice(-5)",
        "os.unshare(0x20000) if hasattr(os, 'unshare') else __import__('ctypes').CDLL(None, use_errno=True).unshare(0x20000)",
        "__import__('socket').socket(__import__('socket').AF_PACKET, 3)",
        "__import__('mmap').mmap(-1, 4096, prot=7)",
        "os.open('/var/lib/lightspeed/transcripts/x', os.O_CREAT | os.O_WRONLY, 0o4755)",
        "[pid for pid in os.listdir('/proc') if pid == '1']",
        "open('/proc/self/status').read().count('NoNewPrivs:\\t1')",
        "int(open('/proc/self/status').read().split('CapBnd:')[1].split()[0], 16)",
    )
    setuid, chown, nice, unshare, packet, executable, sticky, init, locked, capabilities = answers
    assert (setuid, chown, nice) == ("Operation not permitted",) * 3
    assert unshare in ("-1", "Operation not permitted")
    assert packet == "Address family not supported by protocol"
    assert executable in ("Operation not permitted", "Permission denied")
    assert sticky == "Operation not permitted"
    assert (init, locked, capabilities) == ("[]", "1", "0")

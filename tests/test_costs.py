"""What a request and a record cost, counted instead of timed: calls of the system, calls of functions, memory, modules.

The figures are a little above what was counted. Who makes something dearer on purpose raises its figure here.
"""

from __future__ import annotations

import cProfile
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes import application, strace
from tests.fakes.daemon import ROOT, Stack
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.site import Site

REQUESTS = 20
FEW, MANY = 50, 250
QUESTION = {"query": "How do I list services?"}

DURABLE = {"openat": 1, "fchmod": 1, "fsync": 2, "rename": 1, "sendto": 1}
# How often a worker waits and is woken is up to the machine's load.
WAITS = {"epoll_ctl", "epoll_wait", "futex", "getppid", "ioctl", "poll", "read", "recvfrom", "utimensat"}
SYSTEM_CALLS_OF_FEEDBACK = 25
SYSTEM_CALLS_OF_A_RECORD = 7
FUNCTION_CALLS_OF_FEEDBACK = 580
FUNCTION_CALLS_OF_A_QUERY = 2950
MODULES_OF_AN_IDLE_RUN = 240
BLOCKS_LEFT_BY_A_REQUEST = 6

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the counts are those of Python 3.11")


def feedback(conversation_id: str) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "user_question": "How do I list services?",
        "llm_response": "x" * 400,
        "sentiment": 1,
        "user_feedback": "Good.",
    }


def test_system_calls_of_feedback(tmp_path: Path) -> None:
    strace.needed()
    with Stack(tmp_path, {"service": {"workers": 1, "access_log": True}}) as stack, requests.Session() as client:
        asked = client.post(f"{stack.url}/v1/query", json=QUESTION, timeout=30).json()
        body = feedback(asked["conversation_id"])
        with counted(worker(stack)) as counts:
            for _ in range(REQUESTS):
                assert client.post(f"{stack.url}/v1/feedback", json=body, timeout=30).status_code == 200
    each = {name: count / REQUESTS for name, count in counts.items()}
    assert {name: round(each[name]) for name in DURABLE} == DURABLE
    assert sum(each[name] for name in each.keys() - WAITS) <= SYSTEM_CALLS_OF_FEEDBACK, each


def worker(stack: Stack) -> int:
    pid = stack.popen.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@contextmanager
def counted(pid: int) -> Iterator[Counter[str]]:
    """The system calls of all threads of a process, but for the waiting of threads for each other."""
    counts: Counter[str] = Counter()
    command = ["strace", "-f", "-c", "-e", "trace=!futex", "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr
        if "attached" not in tracer.stderr.readline():
            pytest.skip("strace may not attach to a process here")
        yield counts
        tracer.send_signal(signal.SIGINT)
        counts.update(summary(tracer.stderr.read()))


def summary(text: str) -> dict[str, int]:
    """What `strace -c` prints: percent, seconds, microseconds a call, calls, errors if any, name."""
    lines = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", text, re.MULTILINE)
    return {
        name.replace("renameat2", "rename").replace("renameat", "rename"): int(calls)
        for calls, name in lines
        if name != "total"
    }


def test_system_calls_of_a_record(tmp_path: Path) -> None:
    strace.needed()
    few, many = (calls_of_a_run(tmp_path / str(records), records) for records in (FEW, MANY))
    each = {name: (count - few.get(name, 0)) / (MANY - FEW) for name, count in many.items()}
    assert sum(each.values()) <= SYSTEM_CALLS_OF_A_RECORD, each


def calls_of_a_run(folder: Path, records: int) -> dict[str, int]:
    log = folder.with_suffix(".counts")
    with FaultyIngress() as ingress:
        site = Site(folder, ingress.url)
        site.put(records)
        site.run(prefix=("strace", "-f", "-c", "-e", "trace=!futex", "-o", str(log)), environ=strace.ENVIRON)
        assert len(ingress.records) == records
    return summary(log.read_text())


def test_function_calls_of_feedback(tmp_path: Path) -> None:
    assert calls(tmp_path, "feedback") <= FUNCTION_CALLS_OF_FEEDBACK


def test_function_calls_of_a_query(tmp_path: Path) -> None:
    assert calls(tmp_path, "query") <= FUNCTION_CALLS_OF_A_QUERY


def calls(folder: Path, name: str) -> float:
    """Functions called within the application for one request, in a process of its own, where no other test left a trace."""
    program = f"""
from pathlib import Path
from tests import test_costs
print(test_costs.counted_calls(Path({str(folder)!r}), {name!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    return float(done.stdout.splitlines()[-1])


def counted_calls(folder: Path, name: str) -> float:
    client: Any = application.application(folder).test_client()
    body = QUESTION
    if name == "feedback":
        body = feedback(client.post("/v1/query", json=QUESTION).get_json()["conversation_id"])
    whole = client.application.wsgi_app
    profile = cProfile.Profile()

    def profiled(environ: Any, start_response: Any) -> Any:
        return profile.runcall(lambda: list(whole(environ, start_response)))

    assert client.post(f"/v1/{name}", json=body).status_code == 200
    client.application.wsgi_app = profiled
    for _ in range(REQUESTS):
        assert client.post(f"/v1/{name}", json=body).status_code == 200
    return sum(entry.callcount for entry in profile.getstats()) / REQUESTS


def test_memory_does_not_grow_with_requests(tmp_path: Path) -> None:
    """In a process of its own, where nothing else makes or frees anything."""
    program = f"""
import gc, sys
from pathlib import Path
from tests import test_costs
from tests.fakes import application
client = application.application(Path({str(tmp_path)!r})).test_client()
body = test_costs.feedback(client.post("/v1/query", json=test_costs.QUESTION).get_json()["conversation_id"])
blocks = []
for _ in range(3):
    for _ in range({5 * REQUESTS}):
        client.post("/v1/feedback", json=body)
    gc.collect()
    blocks.append(sys.getallocatedblocks())
print((blocks[2] - blocks[1]) / {5 * REQUESTS})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert float(done.stdout.splitlines()[-1]) <= BLOCKS_LEFT_BY_A_REQUEST


def test_modules_of_an_idle_run(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    program = (
        "import sys\n"
        "from lightspeed_collector import cli\n"
        f"status = cli.main(['--config', {str(site.file)!r}, 'run'])\n"
        "print(status, len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    status, count = map(int, done.stdout.splitlines()[-1].split())
    assert status == 0
    assert count <= MODULES_OF_AN_IDLE_RUN

"""1,000 answers told at once, 50 tokens each, one each 100 ms: are any cut, how late is the first token, how long the gaps.

`python -m bench.streams` starts the fake provider and the daemon (two workers), keeps `--streams` streams running for
`--seconds` over as many connections, each asking again when it is answered, and prints what the clients saw, the memory
of the daemon while all ran, and the processor time of each party. One thread and epoll read all streams.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
TOKEN = b'"event": "token"'
GOALS = (("cut", 0), ("first token p99 ms", 250), ("worst gap ms", 400), ("PSS MB", 150))


class Client:
    """One connection that asks one question after the other."""

    def __init__(self, port: int, request: bytes) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.request = request
        self.tokens = 0
        self.asked = 0.0
        self.heard = 0.0
        self.rest = b""

    def ask(self) -> None:
        self.tokens, self.rest = 0, b""
        self.asked = time.perf_counter()
        self.sock.send(self.request)


class Load:
    def __init__(self, port: int, streams: int, model: str, tokens: int) -> None:
        body = json.dumps({"query": "Tell me something long", "provider": "fake", "model": model}).encode()
        head = f"POST /v1/streaming_query HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self._request = head.encode() + b"\r\n\r\n" + body
        self._port = port
        self._streams = streams
        self._tokens = tokens
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        self.first: list[float] = []
        self.gaps: list[float] = []
        self.whole = self.cut = self.most = 0
        self.errors: list[str] = []

    def run(self, seconds: float, ramp: float, at_half: object) -> None:
        start = time.perf_counter()
        due = [start + ramp * number / self._streams for number in range(self._streams)]
        heapq.heapify(due)
        end, half = start + seconds, start + seconds / 2
        while due or self._clients:
            now = time.perf_counter()
            while due and due[0] <= now:
                heapq.heappop(due)
                self._begin()
            if half and now > half:
                half = 0.0
                at_half()  # type: ignore[operator]
            self._turn(max(0.001, due[0] - now) if due else 0.5, again=now < end)

    def _begin(self) -> None:
        client = Client(self._port, self._request)
        self._clients[client.sock.fileno()] = client
        self._poll.register(client.sock, select.EPOLLIN)
        client.ask()
        self.most = max(self.most, len(self._clients))

    def _turn(self, timeout: float, again: bool) -> None:
        for descriptor, _ in self._poll.poll(timeout):
            client = self._clients[descriptor]
            try:
                data = client.sock.recv(65536)
            except OSError:
                data = b""
            self._hear(client, data, again)

    def _hear(self, client: Client, data: bytes, again: bool) -> None:
        now = time.perf_counter()
        count = data.count(TOKEN)
        if count:
            if client.tokens:
                self.gaps.append(now - client.heard)
            else:
                self.first.append(now - client.asked)
            client.tokens += count
            client.heard = now
        client.rest = (client.rest + data)[-400:]
        if data and not client.rest.endswith(b"\r\n0\r\n\r\n"):
            return
        if client.tokens == self._tokens and b'"event": "end"' in client.rest:
            self.whole += 1
        else:
            self.cut += 1
            self.errors.append(client.rest.decode(errors="replace"))
        if again and data:
            client.ask()
        else:
            self._poll.unregister(client.sock)
            del self._clients[client.sock.fileno()]
            client.sock.close()


@contextlib.contextmanager
def running(*command: str, pattern: str, stream: str) -> Iterator[tuple[subprocess.Popen[str], re.Match[str]]]:
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, text=True, **{stream: subprocess.PIPE})  # type: ignore[call-overload]
    try:
        lines = getattr(process, stream)
        found = next(found for line in lines if (found := re.search(pattern, line)))
        yield process, found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(grandchild for child in children for grandchild in family(int(child)))]


def pss_mb(pids: list[int]) -> float:
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(match[1]) for text in texts if (match := re.search(r"^Pss:\s+(\d+)", text, re.M))) / 1024


def cpu_seconds(pids: list[int]) -> float:
    ticks = os.sysconf("SC_CLK_TCK")
    fields = (Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids)
    return sum(int(field[11]) + int(field[12]) for field in fields) / ticks


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000 if values else float("nan")


def configuration(folder: Path, provider_url: str, threads: int, model: str) -> Path:
    file = folder / "lightspeed-stack.yaml"
    storage = {
        f"{kind}_{key}": value
        for kind in ("transcripts", "feedback")
        for key, value in (("enabled", True), ("storage", str(folder / kind)))
    }
    file.write_text(
        yaml.safe_dump(
            {
                "name": "bench",
                "state_dir": str(folder / "state"),
                "service": {"host": "127.0.0.1", "port": 0, "workers": 2, "threads": threads, "access_log": False},
                "user_data_collection": storage,
                "inference": {
                    "providers": [{"name": "fake", "type": "openai", "base_url": provider_url, "models": [model]}]
                },
            }
        )
    )
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.1)
    options = parser.parse_args()
    model = f"tokens-{options.tokens}-{options.pause}"
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as folder,
        running("tests.fakes.provider", pattern="(http.*)", stream="stdout") as (provider, told),
    ):
        threads = options.streams // 2 + 140
        file = configuration(Path(folder), told[1], threads, model)
        command = ("lightspeed_stack", "--config", str(file))
        with running(*command, pattern=r"ready: Serving at http://127.0.0.1:(\d+)", stream="stderr") as (stack, ready):
            measure(Load(int(ready[1]), options.streams, model, options.tokens), options, stack.pid, provider.pid)


def measure(load: Load, options: argparse.Namespace, stack: int, provider: int) -> None:
    memory: list[float] = []
    parties = {"daemon": family(stack), "provider": [provider], "client": [os.getpid()]}
    before = {name: cpu_seconds(pids) for name, pids in parties.items()}
    began = time.perf_counter()
    load.run(options.seconds, options.tokens * options.pause, lambda: memory.append(pss_mb(parties["daemon"])))
    seconds = time.perf_counter() - began
    tokens = (load.whole + load.cut) * options.tokens
    print(f"{load.most} streams at once, {load.whole} whole, {tokens / seconds:.0f} tokens/s for {seconds:.1f} s")
    for name, pids in parties.items():
        used = cpu_seconds(pids) - before[name]
        print(
            f"  {name:10s} {used / seconds * 100:5.1f} % of a processor, {used / max(tokens, 1) * 1e6:6.1f} us a token"
        )
    print(
        f"  first token p50 {percentile(load.first, 0.5):.0f} ms, gap p50 {percentile(load.gaps, 0.5):.0f}, p99 {percentile(load.gaps, 0.99):.0f} ms"
    )
    seen = {
        "cut": load.cut,
        "first token p99 ms": percentile(load.first, 0.99),
        "worst gap ms": percentile(load.gaps, 1),
        "PSS MB": memory[0] if memory else float("nan"),
    }
    for name, goal in GOALS:
        print(f"{name:20s} {seen[name]:8.0f}   goal {goal:5d}   {'reached' if seen[name] <= goal else 'MISSED'}")
    for text in load.errors[:3]:
        print(text)


if __name__ == "__main__":
    main()

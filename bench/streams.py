"""POST /v1/streaming_query: 1,000 answers told at once, 50 tokens each, one each 100 ms.

Keeps `--streams` streams running for `--seconds` over as many connections, each asking again when it is answered, from
one thread with epoll. Says whether any was cut, how late the first token came, how long the gaps grew, the daemon's
memory half-way, and the processor time of each party for a token.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import select
import socket
import time
from collections.abc import Callable, Iterator

from bench.load import Row, cpu_seconds, folder, memory_mb, table, unit_environment
from bench.query import fake_provider, overrides
from tests.fakes.daemon import Stack, merged

TOKEN = b'"event": "token"'
END = b"\r\n0\r\n\r\n"
TOKENS, PAUSE = 50, 0.1
MODEL = f"tokens-{TOKENS}-{PAUSE}"


class Client:
    """One connection that asks one question after the other."""

    def __init__(self, port: int, request: bytes) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)
        self._request = request
        self.ask()

    def ask(self) -> None:
        self.tokens = 0
        self.tail = b""
        self.asked = self.heard = time.perf_counter()
        self.sock.send(self._request)


class Crowd:
    def __init__(self, port: int, size: int) -> None:
        body = json.dumps({"query": "Tell me about services", "provider": "fake", "model": MODEL}).encode()
        fields = ("Host: localhost", "Content-Type: application/json", "Authorization: Bearer hunter2")
        head = "\r\n".join(("POST /v1/streaming_query HTTP/1.1", *fields, f"Content-Length: {len(body)}", "", ""))
        self._request = head.encode() + body
        self._port = port
        self._size = size
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        self.first: list[float] = []
        self.gaps: list[float] = []
        self.most = self.whole = self.tokens = 0
        self.cut: list[str] = []

    def run(self, seconds: float, half_way: Callable[[], None]) -> None:
        """All arrive within the time that one answer takes; `half_way` is called once."""
        began = time.perf_counter()
        arrivals = [began + TOKENS * PAUSE * number / self._size for number in range(self._size)]
        arrivals.reverse()
        asked = False
        while arrivals or self._clients:
            now = time.perf_counter()
            while arrivals and arrivals[-1] <= now:
                arrivals.pop()
                self._arrive()
            if not asked and now > began + seconds / 2:
                asked = True
                half_way()
            self._listen(max(0.001, arrivals[-1] - now) if arrivals else 1.0, again=now < began + seconds)

    def _arrive(self) -> None:
        client = Client(self._port, self._request)
        self._clients[client.sock.fileno()] = client
        self._poll.register(client.sock, select.EPOLLIN)
        self.most = max(self.most, len(self._clients))

    def _listen(self, timeout: float, again: bool) -> None:
        for descriptor, _ in self._poll.poll(timeout):
            client = self._clients[descriptor]
            try:
                data = client.sock.recv(65536)
            except OSError:
                data = b""
            self._hear(client, data)
            if not data or client.tail.endswith(END):
                self._told(client, again and bool(data))

    def _hear(self, client: Client, data: bytes) -> None:
        count = data.count(TOKEN)
        client.tail = (client.tail + data)[-300:]
        if count:
            now = time.perf_counter()
            (self.gaps if client.tokens else self.first).append(now - client.heard)
            client.heard = now
            client.tokens += count
            self.tokens += count

    def _told(self, client: Client, again: bool) -> None:
        if client.tokens == TOKENS and b'"event": "end"' in client.tail:
            self.whole += 1
        else:
            self.cut.append(client.tail.decode(errors="replace"))
        if again:
            client.ask()
        else:
            self._poll.unregister(client.sock)
            del self._clients[client.sock.fileno()]
            client.sock.close()


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] * 1000 if seconds else float("nan")


@contextlib.contextmanager
def provider() -> Iterator[tuple[int, str]]:
    """The fake provider's process and its URL."""
    process = fake_provider()
    assert process.stdout
    try:
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def rows(streams: int = 1000, seconds: float = 15) -> list[Row]:
    with provider() as (pid, url):
        told = {"name": "fake", "type": "openai", "base_url": url, "models": [MODEL]}
        service = {"workers": 2, "threads": 640, "access_log": False}
        config = merged(overrides(url), {"inference": {"providers": [told]}, "service": service})
        with Stack(folder() / "stack", config, unit_environment()) as stack:
            return measure(stack, pid, streams, seconds)


def measure(stack: Stack, provider: int, streams: int, seconds: float) -> list[Row]:
    crowd = Crowd(int(stack.url.rpartition(":")[2]), streams)
    memory: list[float] = []
    before, began = used(stack.popen.pid, provider), time.perf_counter()
    crowd.run(seconds, lambda: memory.append(memory_mb(stack.popen.pid)))
    lasted = time.perf_counter() - began
    spent = [now - then for now, then in zip(used(stack.popen.pid, provider), before, strict=True)]
    return report(crowd, lasted, spent, memory[0])


def used(daemon: int, provider: int) -> tuple[float, float, float]:
    """Processor seconds of the daemon, the provider, and us, the client."""
    return cpu_seconds(daemon), cpu_seconds(provider), time.process_time()


def report(crowd: Crowd, lasted: float, spent: list[float], memory: float) -> list[Row]:
    for text in crowd.cut[:3]:
        print("cut:", text)
    first, worst = percentile(crowd.first, 0.99), percentile(crowd.gaps, 1)
    rate = f"{crowd.tokens / lasted:.0f} tokens/s; a token costs the daemon, the provider, the client "
    costs = " / ".join(f"{seconds / max(1, crowd.tokens) * 1e6:.0f}" for seconds in spent)
    return [
        Row(f"{crowd.most} streams at once", f"{crowd.whole} told, {len(crowd.cut)} cut", "none cut", not crowd.cut),
        Row(
            "time to first token",
            f"p50 {percentile(crowd.first, 0.5):.0f}, p99 {first:.0f} ms",
            "p99 250",
            first <= 250,
        ),
        Row("gap between tokens", f"p99 {percentile(crowd.gaps, 0.99):.0f}, worst {worst:.0f} ms", "400", worst <= 400),
        Row("memory, all ran", f"{memory:.0f} MB PSS", "150", memory <= 150),
        Row("processor", f"{rate}{costs} us", "", None),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    print(table(rows(options.streams, options.seconds)))


if __name__ == "__main__":
    main()

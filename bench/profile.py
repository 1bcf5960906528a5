"""Where a request's CPU time goes: the WSGI application called in-process, without gunicorn, on tmpfs.

    python -m bench.profile [feedback|query|bare ...] [--functions]

Prints microseconds of CPU a request, the least of several batches, so that what else the machine does hardly counts;
with `--functions` also what cProfile says. `query` asks a fake provider in a process of its own, `bare` is the view
that feedback is measured against.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from bench.bare import make_app
from bench.query import fake_provider, overrides
from lightspeed_stack import app, config
from lightspeed_stack.daemon import log, web
from lightspeed_stack.daemon.config import load
from tests.fakes.daemon import Stack

BATCHES, REQUESTS = 15, 200
QUESTION = {"query": "How do I list the failed services of this host?"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", default=["bare", "feedback", "query"])
    parser.add_argument("--functions", type=int, nargs="?", const=30, default=0, metavar="LINES")
    options = parser.parse_args()
    provider = fake_provider()
    assert provider.stdout
    try:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            requests = prepared(Path(folder), provider.stdout.readline().strip())
            for name in options.which:
                report(name, requests[name], options.functions)
    finally:
        provider.terminate()
        provider.wait()


def prepared(folder: Path, provider: str) -> dict[str, Callable[[], bytes]]:
    (folder / "bare").mkdir()
    bare = make_app(str(folder / "bare"))
    stack = application(folder, provider)
    web.settle()
    conversation = json.loads(post(stack, "/v1/query", QUESTION))["conversation_id"]
    body = feedback(conversation, "x" * 400)
    return {
        "bare": lambda: post(bare, "/feedback", body),
        "feedback": lambda: post(stack, "/v1/feedback", body),
        "query": lambda: post(stack, "/v1/query", QUESTION),
    }


def application(folder: Path, provider: str) -> Callable[..., Any]:
    stack = Stack(folder, overrides(provider))
    stack.file.write_text(yaml.safe_dump(stack.config))
    log.setup("profile", stream=folder.joinpath("log").open("w"))
    settings = config.read(load(stack.file, {}))
    settings.state_dir.mkdir()
    (folder / "run").mkdir()
    app.prepare(settings)
    return app.create_app(settings, folder / "run")


def feedback(conversation: str, response: str) -> dict[str, object]:
    return {
        "conversation_id": conversation,
        "user_question": "How do I list services?",
        "llm_response": response,
        "sentiment": 1,
        "user_feedback": "Satisfied with the response quality.",
    }


def post(application: Callable[..., Any], path: str, body: object) -> bytes:
    data = json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8080",
        "HTTP_AUTHORIZATION": "Bearer hunter2",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    told: list[str] = []
    parts = application(environ, lambda status, headers, exc_info=None: told.append(status))
    answer = b"".join(parts)
    if hasattr(parts, "close"):
        parts.close()
    if told != ["200 OK"]:
        raise RuntimeError(f"{path}: {told} {answer!r}")
    return answer


def report(name: str, request: Callable[[], bytes], functions: int) -> None:
    print(f"{name:10} {least(request):6.0f} us of CPU a request", flush=True)
    if functions:
        profile = cProfile.Profile(time.process_time)
        profile.enable()
        for _ in range(5 * REQUESTS):
            request()
        profile.disable()
        pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(functions)


def least(request: Callable[[], bytes]) -> float:
    """Microseconds of CPU a request, of this process."""
    return 1e6 / REQUESTS * min(batch(request) for _ in range(BATCHES))


def batch(request: Callable[[], bytes]) -> float:
    began = time.process_time()
    for _ in range(REQUESTS):
        request()
    return time.process_time() - began


if __name__ == "__main__":
    main()

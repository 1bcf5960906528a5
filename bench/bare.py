"""The reference for feedback: the barest Flask view that stores a body as durably as the spool does, under plain gunicorn."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import Any

from flask import Flask, request

from tests.fakes.daemon import Process

LISTENING = r"Listening at: (http://\S+)"


def make_app(folder: str, pinned: bool = False) -> Flask:
    if pinned:
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})  # workers' ids follow each other
    app = Flask(__name__)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    @app.post("/feedback")
    def feedback() -> dict[str, Any]:
        name = f"{uuid.uuid4()}.json"
        file = os.open(f".{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=directory)
        os.write(file, request.get_data())
        os.fsync(file)
        os.close(file)
        os.rename(f".{name}", name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
        return {"response": "feedback received"}

    return app


def server(folder: Path, threads: int, *, pinned: bool = False) -> Process:
    """gunicorn's own threaded workers, two of them, `pinned` to a processor each; `wait_for(LISTENING)` tells where."""
    folder.mkdir()
    application = f"bench.bare:make_app({str(folder)!r}, {pinned})"
    options = ["--workers", "2", "--worker-class", "gthread", "--threads", str(threads), "--keep-alive", "15"]
    return Process([sys.executable, "-m", "gunicorn", *options, "--bind", "127.0.0.1:0", application])

"""The reference for feedback: the barest Flask view under gunicorn that stores a body as durably as the spool does."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import Any

from flask import Flask, request

from lightspeed_stack.daemon import log, notify, web


def make_app(folder: Path) -> Flask:
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


if __name__ == "__main__":
    target, threads = Path(sys.argv[1]), int(sys.argv[2])
    log.setup("bare")
    listen = web.Listen("127.0.0.1", 0, workers=2, threads=threads)
    sys.exit(web.serve(lambda: listen, lambda: make_app(target), notify.Notifier({})))

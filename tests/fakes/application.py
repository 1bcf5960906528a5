"""The stack's application in this process, wired as the daemon wires it, for Flask's test client."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lightspeed_stack import app, config
from lightspeed_stack.daemon.config import load
from tests.fakes.daemon import merged

BASE: Mapping[str, Any] = {
    "name": "test",
    "service": {"host": "127.0.0.1", "port": 0, "workers": 1, "threads": 640},
    "user_data_collection": {"feedback_enabled": True, "transcripts_enabled": True},
}


class ReadingClient(FlaskClient):
    """Reads each answer to its end, as a server sends it."""

    def open(self, *arguments: Any, **options: Any) -> TestResponse:
        return super().open(*arguments, **({"buffered": True} | options))


def configuration(folder: Path, overrides: Mapping[str, Any] | None = None) -> config.Config:
    """The configuration that a file in `folder` with `overrides` has; everything is kept under `folder`."""
    own = {
        "state_dir": str(folder / "state"),
        "user_data_collection": {
            "feedback_storage": str(folder / "spool" / "feedback"),
            "transcripts_storage": str(folder / "spool" / "transcripts"),
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "lightspeed-stack.yaml"
    file.write_text(yaml.safe_dump(merged(merged(dict(BASE), own), overrides or {})))
    return config.read(load(file, {}))


def application(folder: Path, overrides: Mapping[str, Any] | None = None) -> Flask:
    settings = configuration(folder, overrides)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    app.check(settings)
    app.prepare(settings)
    made = app.create_app(settings, settings.state_dir / "run")
    made.test_client_class = ReadingClient
    return made


def provider(url: str, **more: Any) -> dict[str, Any]:
    """The part of a configuration that names one provider at `url`."""
    return {"inference": {"providers": [{"name": "openai", "type": "openai", "base_url": url, **more}]}}

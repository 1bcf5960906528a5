"""Answers in JSON as upstream writes them: compact, UTF-8, keys in the order given."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import Response

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_encode(value).encode(), status, headers, content_type="application/json")

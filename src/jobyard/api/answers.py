"""Answers as ready-made bytes: one pass from plain values to JSON, no model in between."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Response


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return Response(body.encode(), status, headers, "application/json")

"""Lengths of time as people write them: ``500ms``, ``10s``, ``1h30m``."""

from __future__ import annotations

import math
import re

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+\Z")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_DURATION = 64

DURATION_RULE = 'seconds as a number, or text such as "500ms", "10s", "6m" or "1h30m"'


def seconds(text: str) -> float | None:
    """Read a duration such as ``1h30m`` as seconds; None when the text is none."""
    if len(text) > _LONGEST_DURATION or not text.isascii() or not _DURATION.match(text):
        return None
    total = math.fsum(
        float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)
    )
    return round(total, 6)

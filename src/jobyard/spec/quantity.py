"""Amounts with units as people write them: ``500m`` of a CPU, ``1Gi`` of memory, ``1h30m``."""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, Decimal

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(
    r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))([a-zA-Z]{0,2}|[eE][+-]?\d{1,2})\Z"
)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+\Z")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_DURATION = 64

QUANTITY_RULE = "a number, with a suffix such as m, k, M, G, Ki, Mi or Gi if need be"
DURATION_RULE = 'seconds as a number, or text such as "500ms", "10s", "6m" or "1h30m"'


def quantity(text: str) -> Decimal | None:
    """Read a Kubernetes quantity; None when the text is none."""
    match = _QUANTITY.match(text) if text.isascii() else None
    if match is None:
        return None
    number, suffix = match.groups()
    if suffix in _SUFFIXES:
        return Decimal(number) * _SUFFIXES[suffix]
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return Decimal(number + suffix)
    return None


def whole(amount: Decimal) -> int:
    """Round an amount up to whole units, as Kubernetes does."""
    return int(amount.to_integral_value(rounding=ROUND_CEILING))


def seconds(text: str) -> float | None:
    """Read a duration such as ``1h30m`` as seconds; None when the text is none."""
    if len(text) > _LONGEST_DURATION or not text.isascii() or not _DURATION.match(text):
        return None
    total = math.fsum(
        float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)
    )
    return round(total, 6)

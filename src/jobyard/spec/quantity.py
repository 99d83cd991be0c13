"""Amounts with units as Kubernetes writes them: ``500m`` of a CPU, ``1Gi`` of memory."""

from __future__ import annotations

import re
from decimal import Decimal

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

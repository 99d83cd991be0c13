"""How long to wait before the next try, as arithmetic: no clock, no sleep, no randomness."""

from __future__ import annotations

import re
from sys import float_info
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobyard.core.job import Backoff

SECOND = 1_000_000
"""Microseconds in a second; stored times count microseconds."""

_AFTER = re.compile(r"after\s+(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", re.ASCII)
_UNIT = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_ADVICE = 86_400.0
"""Seconds: a program cannot put off its own retry for longer than a day."""


def delay(backoff: Backoff, streak: int, drawn: float = 0.0) -> int:
    """Tell the microseconds to wait after the ``streak``-th failure in a row (from 1).

    ``drawn`` is a number from 0 to 1 that the caller drew; it spreads the delay by ``jitter``
    upwards, so that the documented delay is the least. kubernetes-jobs.md B.5.
    """
    # The cap is reached long before 2.0**63; a factor that overflows a float has reached it too.
    exponent = min(max(streak, 1) - 1, 63)
    try:
        grown = backoff.factor**exponent
    except OverflowError:
        grown = float_info.max
    seconds = min(backoff.base * grown, backoff.cap)
    return int(seconds * (1.0 + backoff.jitter * drawn) * SECOND)


def advised(advice: str | None) -> tuple[bool, int | None]:
    """Read what a program wrote to JOBYARD_RETRY: may it be retried, and after how long.

    Returns:
        Whether a retry makes sense, and the microseconds the program asked for, if it did.
        Text that says neither "no", alone or as "no: <why>", nor "after <time>" is as good as none.
    """
    text = (advice or "").strip().lower()
    if text == "no" or text.startswith("no:"):
        return False, None
    match = _AFTER.fullmatch(text)
    if match is None:
        return True, None
    seconds = float(match[1]) * _UNIT[match[2]]
    return True, int(min(seconds, LONGEST_ADVICE) * SECOND)

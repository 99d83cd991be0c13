"""Moments as queries write them: RFC 3339, or a length of time before now."""

from __future__ import annotations

from datetime import datetime

from jobyard import clock
from jobyard.duration import seconds

MICROSECONDS = 1_000_000


def moment(text: str) -> int | None:
    """Read RFC 3339 with a zone as microseconds since 1970; None when the text is none."""
    # A `+` of a zone that was not written as %2B arrives as a space.
    written = text.strip().replace(" ", "+") if "T" in text.upper() else text
    try:
        found = datetime.fromisoformat(written)
        return None if found.tzinfo is None else clock.to_us(found)
    except (ValueError, OverflowError):
        return None


def moment_or_ago(text: str) -> int | None:
    """Read the same, or a duration such as ``10m`` that counts back from now."""
    ago = seconds(text)
    return moment(text) if ago is None else clock.now_us() - int(ago * MICROSECONDS)

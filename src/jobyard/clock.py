"""The only door to the clocks of this machine and to sleeping."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """Tell the time of day, in UTC with microseconds."""
    return datetime.now(UTC)


def now_us() -> int:
    """Tell the time of day as microseconds since 1970, the form in which stores keep times."""
    return time.time_ns() // 1000


def monotonic() -> float:
    """Tell seconds on a clock that only goes forward; only differences mean anything."""
    return time.monotonic()


def since_boot_ns() -> int:
    """Tell nanoseconds since this machine's boot, sleep included, as the kernel dates processes."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


async def sleep(seconds: float) -> None:
    """Wait in the event loop."""
    await asyncio.sleep(seconds)


def pause(seconds: float) -> None:
    """Wait in this thread, where there is no event loop."""
    time.sleep(seconds)


def to_us(moment: datetime) -> int:
    """Convert an aware time to microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Convert microseconds since 1970 to an aware time in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def rfc3339(microseconds: int | None) -> str | None:
    """Write microseconds since 1970 as JSON does: RFC 3339 with ``Z``, None as None."""
    if microseconds is None:
        return None
    return from_us(microseconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

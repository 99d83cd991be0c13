"""The event loop that the house's programs run on, and how they keep Python's collector at bay."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

COLLECT_EVERY = 10_000
"""New objects after which the youngest are searched for cycles. Python's 700 are fewer than one
transaction makes, and each would be looked at several times for nothing: 3 % of a busy worker."""


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run an async main function to its end, on uvloop's event loop where that is installed."""
    gc.set_threshold(COLLECT_EVERY, *gc.get_threshold()[1:])
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)

"""A server under mixed traffic: no error, and every accepted job is accounted for."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import httpx

from jobyard.testing.traffic import KINDS, Traffic

if TYPE_CHECKING:
    from tests.api.conftest import Serving

CALLERS = 16
REQUESTS = 2000


def test_mixed_requests_of_many_callers_end_well_and_lose_no_job(live: Serving) -> None:
    async def work() -> tuple[Traffic, set[int]]:
        limits = httpx.Limits(max_connections=CALLERS)
        async with httpx.AsyncClient(
            base_url=live.url, trust_env=False, limits=limits, timeout=60
        ) as http:
            traffic = Traffic(http)
            numbers = itertools.count()

            async def caller() -> None:
                while (number := next(numbers)) < REQUESTS:
                    await traffic.ask(number)

            await asyncio.gather(*(caller() for _ in range(CALLERS)))
            return traffic, await traffic.unaccounted()

    traffic, unaccounted = asyncio.run(work())

    assert traffic.errors == []
    assert sum(traffic.answered.values()) == REQUESTS
    assert set(traffic.answered) == {kind.method for kind in KINDS}
    assert len(set(traffic.accepted)) == traffic.answered["POST"]
    assert traffic.deleted
    assert unaccounted == set()

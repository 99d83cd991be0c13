"""Lost attempts are part of the story."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobyard import app
from jobyard.store.base import Registration, Reports, Want

if TYPE_CHECKING:
    import httpx
    from tests.api.conftest import Serving


async def _claim_and_leave(serving: Serving) -> None:
    async with app.open_yard(serving.settings) as yard:
        await yard.store.register(
            Registration("gone", "s1", "host", 1, "0", {"process": 1}, 1.0, 1 << 30, {}, 15.0)
        )
        want = Want({"process": 1}, 1.0, 1 << 30)
        settled = await yard.store.settle("s1", Reports(), want)
        assert len(settled.claims) == 1
        await yard.store.leave("s1")
        await yard.store.decide_due()


def test_the_attempts_of_a_lost_worker_are_listed(http: httpx.Client, still: Serving) -> None:
    job = http.post("/jobs", json={"name": "a", "command": ["true"]}).json()

    asyncio.run(_claim_and_leave(still))

    attempts = http.get(f"/jobs/{job['id']}/attempts").json()["attempts"]
    assert "LOST" in [attempt["status"] for attempt in attempts]
    assert http.get(f"/jobs/{job['id']}").json()["status"] == "SCHEDULED"

"""What an engine measures of itself, and what its janitor retains."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.engine.yards import a_fake_job, a_job, an_engine

from jobyard import config
from jobyard.core.states import AttemptStatus, JobStatus
from jobyard.engine.controller import Controller
from jobyard.engine.gauge import FULL, Gauge
from jobyard.store.base import JobQuery, Retention
from jobyard.store.measures import Latency

if TYPE_CHECKING:
    from pathlib import Path

OK, FAILED = AttemptStatus.SUCCEEDED, AttemptStatus.FAILED


def test_a_worker_tells_what_it_measured_before_it_leaves(tmp_path: Path) -> None:
    async def story() -> None:
        async with an_engine(tmp_path, workers=0) as engine:
            worker = await engine.start_worker()
            good, bad = await engine.submit(a_job("good"), a_job("bad", "false", backoff_limit=1))
            await engine.end(good.id)
            await engine.end(bad.id)
            worker.end_fetching()
            await engine._tasks[-1]
            measures = await engine.store.measure()
            assert measures.ended == {(OK, None): 1, (FAILED, "Error"): 2}
            assert measures.running == 0
            counts = {latency: seen.count for latency, seen in measures.latencies.items()}
            assert counts[Latency.CLAIM] == counts[Latency.START] == counts[Latency.RUN] == 3
            assert counts[Latency.STORE] >= 3
            assert measures.latencies[Latency.RUN].total > 0

    asyncio.run(story())


def test_what_a_worker_measured_goes_along_with_its_heartbeat(tmp_path: Path) -> None:
    async def story() -> None:
        async with an_engine(tmp_path, lease=0.3) as engine:
            (job,) = await engine.submit(a_fake_job("a"))
            await engine.end(job.id)
            async with asyncio.timeout(60):
                while not (await engine.store.measure()).ended:
                    woken = asyncio.Event()
                    await engine.store.listen(woken.set)
                    await asyncio.wait([asyncio.create_task(woken.wait())], timeout=0.05)

    asyncio.run(story())


def test_measures_do_not_pile_up_while_no_heartbeat_takes_them() -> None:
    gauge = Gauge()
    for _ in range(2):
        gauge._open.ended.extend([(OK, None)] * FULL)
        gauge.conversed(0.1)

    assert [len(portion.ended) for portion in gauge.closed] == [FULL, FULL]
    gauge.close()
    assert len(gauge.closed) == 2


def test_the_janitor_deletes_what_exceeds_the_retention(tmp_path: Path) -> None:
    async def story() -> None:
        settings = config.load({"retention_count": 2}, {})
        async with an_engine(tmp_path) as engine:
            for n in range(4):
                (job,) = await engine.submit(a_fake_job(f"j{n}"))
                await engine.end(job.id)
            limits = Retention(settings.retention_age, settings.retention_count)
            for cleans, left in ((False, 4), (True, 2)):
                janitor = Controller(engine.store, cleans=cleans, retention=limits)
                await janitor._turn()
                finished = JobQuery(statuses=[JobStatus.COMPLETED])
                assert await engine.store.count(finished) == left

    asyncio.run(story())

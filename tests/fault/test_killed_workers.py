"""Workers die and freeze at every step; what was asked for still happens exactly once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.engine.yards import Engine, a_job, an_indexed_job
from tests.fault.dying_worker import STEPS
from tests.fault.services import ROOT, Service, Services, processes_marked, services_on

from jobyard import app, config
from jobyard.core.states import AttemptStatus, JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from jobyard.core.records import Attempt


@pytest.fixture(params=["sqlite", "postgres"])
def services(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    database = None
    if request.param == "postgres":
        database = request.getfixturevalue("postgres_dsn")
    with services_on(tmp_path / "state", database) as running:
        yield running


async def an_observer(services: Services) -> AsyncIterator[Engine]:
    flags = {"state_dir": services.folder, "database": services.database}
    async with app.open_yard(config.load(flags, {})) as yard:
        yield Engine(yard)


async def all_attempts(engine: Engine, job_id: int) -> list[Attempt]:
    found: list[Attempt] = []
    while page := await engine.store.attempts(job_id, after=found[-1].id if found else 0):
        found += page
    return found


def test_a_killed_worker_costs_no_completion_and_repeats_none(services: Services) -> None:
    async def main() -> None:
        async for engine in an_observer(services):
            services.start("controller")
            doomed = services.worker(slots=100)
            services.worker(slots=100)
            gate = services.folder / "gate"
            script = f"while ! test -e {gate}; do sleep 0.05; done"
            [job] = await engine.submit(
                an_indexed_job("many", 10_000, "sh", "-c", script, parallelism=200)
            )
            while [a.status for a in await engine.attempts(job.id)].count(
                AttemptStatus.RUNNING
            ) < 200:
                await engine.until(job.id, lambda job: job.state.active == 200)
            doomed.kill()
            gate.touch()
            job = await engine.end(job.id)
            assert (job.state.status, job.state.failed) == (JobStatus.COMPLETED, 0)
            assert str(job.state.completed) == "0-9999"
            attempts = await all_attempts(engine, job.id)
            won = Counter(a.index for a in attempts if a.status is AttemptStatus.SUCCEEDED)
            assert set(won.values()) == {1}
            assert len(won) == 10_000
            assert [a.status for a in attempts].count(AttemptStatus.LOST) == 100

    asyncio.run(main())


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_may_die_at_any_step(services: Services, step: str) -> None:
    async def main() -> None:
        async for engine in an_observer(services):
            services.start("controller")
            dying = services.launch(
                [
                    sys.executable,
                    str(ROOT / "tests/fault/dying_worker.py"),
                    step,
                    str(services.folder),
                    services.database or "",
                ],
                "worker",
            )
            mark = f"STEP_OF_TEST={os.getpid()}-{step}"
            name, value = mark.split("=")
            [job] = await engine.submit(
                a_job("once", "sh", "-c", "echo here; sleep 0.05", env={name: value})
            )
            await asyncio.to_thread(dying.process.wait, 60)
            services.worker()
            job = await engine.end(job.id)
            assert (job.state.status, job.state.succeeded) == (JobStatus.COMPLETED, 1)
            assert job.state.failed == 0
            statuses = [a.status for a in await engine.attempts(job.id)]
            lost = [] if step == "reported" else [AttemptStatus.LOST]
            assert statuses == [*lost, AttemptStatus.SUCCEEDED]
            assert processes_marked(mark) == []

    asyncio.run(main())


def test_a_frozen_worker_loses_its_programs_and_its_voice(services: Services) -> None:
    async def main() -> None:
        async for engine in an_observer(services):
            services.start("controller")
            frozen = services.worker(lease=1.0)
            mark = f"FROZEN_TEST={os.getpid()}"
            name, value = mark.split("=")
            gate = services.folder / "gate"
            script = f"test -e {gate} || exec sleep 600"
            [job] = await engine.submit(a_job("cold", "sh", "-c", script, env={name: value}))
            await engine.until(job.id, lambda job: job.state.status is JobStatus.RUNNING)
            gate.touch()
            frozen.freeze()
            services.worker(lease=1.0)
            job = await engine.end(job.id)
            assert (job.state.status, job.state.failed) == (JobStatus.COMPLETED, 0)
            assert processes_marked(mark) == []
            before = await engine.attempts(job.id)
            frozen.thaw()
            [again] = await engine.submit(a_job("after", "true", completions=20, parallelism=20))
            await engine.end(again.id)
            assert await engine.attempts(job.id) == before
            assert [a.status for a in before] == [AttemptStatus.LOST, AttemptStatus.SUCCEEDED]

    asyncio.run(main())


def test_a_program_that_kills_its_worker_cannot_do_so_for_ever(services: Services) -> None:
    async def main() -> None:
        async for engine in an_observer(services):
            services.start("controller")
            [job] = await engine.submit(a_job("killer", "sh", "-c", "kill -9 $PPID; sleep 60"))

            async def replace_dead_workers() -> None:
                while True:
                    worker = services.worker(lease=0.5)
                    await asyncio.to_thread(worker.process.wait)

            replacing = asyncio.create_task(replace_dead_workers())
            job = await engine.end(job.id)
            replacing.cancel()
            services.end()
            assert (job.state.status, job.state.reason) == (JobStatus.FAILED, "WorkerLostLimit")
            statuses = [a.status for a in await engine.attempts(job.id)]
            assert statuses == [AttemptStatus.LOST] * 5

    asyncio.run(main())


def test_a_killed_controller_is_replaced_by_any_other(services: Services) -> None:
    async def main() -> None:
        async for engine in an_observer(services):
            first = services.start("controller")
            services.worker(slots=16)
            [job] = await engine.submit(
                an_indexed_job("on", 400, "sleep", "0.01", parallelism=16),
            )
            await engine.until(job.id, lambda job: job.state.succeeded > 20)
            first.kill()
            services.start("controller")
            assert (await engine.end(job.id)).state.succeeded == 400

    asyncio.run(main())


def four_processes(services: Services) -> list[Service]:
    return [
        services.start("server", "--port", "0"),
        services.start("controller"),
        services.worker(slots=20),
        services.worker(slots=20),
    ]


def test_four_processes_share_one_store(services: Services) -> None:
    async def main() -> None:
        async for engine in an_observer(services):
            *_, doomed = four_processes(services)
            jobs = await engine.submit(
                *(
                    an_indexed_job(f"job-{n}", 100, "sleep", "0.01", parallelism=10)
                    for n in range(8)
                )
            )
            await engine.until(jobs[0].id, lambda job: job.state.succeeded > 10)
            doomed.kill()
            for job in jobs:
                ended = await engine.end(job.id)
                assert (ended.state.status, ended.state.succeeded) == (JobStatus.COMPLETED, 100)
                won = [a for a in await engine.attempts(job.id) if a.status == "SUCCEEDED"]
                assert len(won) == 100

    asyncio.run(main())

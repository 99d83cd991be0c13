"""The engine alone: programs that are only imagined and succeed at once."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import floors
from ground import Ground, Watch, a_fake, an_engine, drained, indexed, submit
from jobyard import app
from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.app import Yard
    from jobyard.config import Settings

PARALLELISM = 1000


def one_indexed_job(ground: Ground, store: str, count: int) -> float:
    """Run one Indexed job; return attempts a second."""

    async def run(settings: Settings) -> float:
        watch = Watch(count)
        async with an_engine(settings, ("fake",), watch) as yard:
            start = time.perf_counter()
            await submit(yard.store, a_fake(**indexed(count, PARALLELISM)))
            await watch.all_ended()
            await drained(yard.store)
            return count / (time.perf_counter() - start)

    with ground.settings(store) as settings:
        return app.run_async(run(settings))


async def _submit_batches(yard: Yard, count: int) -> None:
    for _ in range(count // floors.BATCH):
        await submit(yard.store, *(a_fake() for _ in range(floors.BATCH)))


async def _submit_singles(yard: Yard, count: int) -> None:
    async def caller() -> None:
        for _ in range(count // floors.CALLERS):
            await submit(yard.store, a_fake())

    await asyncio.gather(*(caller() for _ in range(floors.CALLERS)))


def single_jobs(ground: Ground, store: str, count: int, *, batches: bool) -> float:
    """Submit jobs of one attempt to a running engine and drain them; return jobs a second."""

    async def run(settings: Settings) -> float:
        watch = Watch(count)
        async with an_engine(settings, ("fake",), watch) as yard:
            start = time.perf_counter()
            await (_submit_batches if batches else _submit_singles)(yard, count)
            await watch.all_ended()
            await drained(yard.store)
            return count / (time.perf_counter() - start)

    with ground.settings(store) as settings:
        return app.run_async(run(settings))


def backlog(ground: Ground, store: str, count: int) -> float:
    """Drain jobs of one attempt that were there before the engine; return jobs a second."""

    async def run(settings: Settings) -> float:
        async with app.open_yard(settings) as yard:
            await _submit_batches(yard, count)
        watch = Watch(count)
        start = time.perf_counter()
        async with an_engine(settings, ("fake",), watch) as yard:
            await watch.all_ended()
            await drained(yard.store)
            return count / (time.perf_counter() - start)

    with ground.settings(store) as settings:
        return app.run_async(run(settings))


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure the engine and the bare loops on both stores."""
    attempts = ground.few(100_000, 10_000)
    jobs = ground.few(20_000, 2_000)
    singles = ground.few(8_000, 800) // floors.CALLERS * floors.CALLERS
    for run in range(runs):
        taken: Samples = {}
        for store in STORES:
            rates = in_turn(
                run,
                {
                    "attempts": partial(one_indexed_job, ground, store, attempts),
                    "batches": partial(floors.batches, ground, store, attempts),
                    "jobs": partial(single_jobs, ground, store, jobs, batches=True),
                    "backlog": partial(backlog, ground, store, jobs),
                    "inserts": partial(floors.singles, ground, store, singles),
                    "singles": partial(single_jobs, ground, store, singles, batches=False),
                },
            )
            taken |= {
                f"{store}-attempts": Sample(rates["attempts"], rates["batches"]),
                f"{store}-jobs": Sample(rates["jobs"], rates["batches"]),
                f"{store}-backlog": Sample(rates["backlog"], rates["batches"]),
                f"{store}-singles": Sample(rates["singles"], rates["inserts"]),
            }
        yield taken


BATCHES = "bare loop: insert, claim and finish rows in batches of 500"
INSERTS = "bare durable inserts of one row, 16 callers"
HOLDS = {
    "sqlite-attempts": "",
    "sqlite-jobs": "",
    "sqlite-backlog": "",
    "sqlite-singles": "",
    "postgres-attempts": "the aim: one job is one row, so the worker waits for PostgreSQL, then "
    "PostgreSQL for the worker",
    "postgres-jobs": "",
    "postgres-backlog": "",
    "postgres-singles": "",
}


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        goals = store == "postgres"

        def line(
            key: str, what: str, floor: str, target: str, least: float | None,
            name: str = f"{store}-", where: str = title,
        ) -> Line:  # fmt: skip
            demanded = () if least is None else (Goal(at_least=least),)
            return Line(
                name + key, f"{what}, {where}", "/s", floor, target, demanded, HOLDS[name + key]
            )

        yield line(
            "attempts", "attempts of one Indexed job of 100,000, parallelism 1000", BATCHES,
            "≥ 30,000/s" + ("; aim: 55,000/s" if goals else ""), 30_000,
        )  # fmt: skip
        yield line(
            "jobs", "jobs of one attempt, submitted in batches of 500 and drained", BATCHES,
            "≥ 8,000/s" if goals else "", 8000 if goals else None,
        )  # fmt: skip
        yield line(
            "backlog", "the same, drained only: all are there at the start", BATCHES, "", None
        )
        yield line(
            "singles", "jobs submitted one by one by 16 callers, and drained", INSERTS,
            "≥ 1,500/s" if goals else "", 1500 if goals else None,
        )  # fmt: skip


BENCHMARK = Benchmark(tuple(_lines()), measure)

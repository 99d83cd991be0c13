"""How long a line takes from a program's print to whoever follows its job."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from ground import Ground, a_program, an_engine, submit
from jobyard import app
from jobyard.api.desk import Desk
from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.app import Yard
    from jobyard.config import Settings

PROGRAM = """
import random, sys, time
for _ in range(int(sys.argv[1])):
    time.sleep(random.uniform(0.1, 0.3))
    print(time.monotonic_ns(), flush=True)
"""
MANY = 1000


def _command(count: int) -> tuple[str, ...]:
    return (sys.executable, "-c", PROGRAM, str(count))


async def _follow(desk: Desk, job_id: int) -> list[float]:
    lines = desk.follow_lines(job_id)
    return [(time.monotonic_ns() - int(line["line"])) / 1e6 async for line in lines]


async def _followed(yard: Yard, watched: Yard, count: int, followers: int) -> list[float]:
    """Follow a job of ``yard`` on ``watched``; return the milliseconds of every line."""
    desk = Desk(watched.store, watched.logs, executors=app.EXECUTORS)
    (job,) = await submit(yard.store, a_program(*_command(count)))
    took = await asyncio.gather(*(_follow(desk, job.id) for _ in range(followers)))
    assert all(len(one) == count for one in took)
    return [milliseconds for one in took for milliseconds in one]


def near(ground: Ground, store: str, count: int, followers: int = 1) -> list[float]:
    """Follow in the process whose worker runs the job."""

    async def run(settings: Settings) -> list[float]:
        async with an_engine(settings, ("process",)) as yard:
            return await _followed(yard, yard, count, followers)

    with ground.settings(store, slots=4) as settings:
        return app.run_async(run(settings))


def far(ground: Ground, store: str, count: int) -> list[float]:
    """Follow as another process does: through the store alone."""

    async def run(settings: Settings) -> list[float]:
        async with an_engine(settings, ("process",)) as yard, app.open_yard(settings) as other:
            return await _followed(yard, other, count, 1)

    with ground.settings(store, slots=4) as settings:
        return app.run_async(run(settings))


def bare(count: int) -> list[float]:
    """Read the same program's pipe."""
    with subprocess.Popen(_command(count), stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        return [(time.monotonic_ns() - int(line)) / 1e6 for line in program.stdout]


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure both stores, near, far and with many followers, beside a pipe."""
    count = ground.few(60, 20)
    for run in range(runs):
        works = {"floor": partial(bare, count)}
        for store in STORES:
            works[f"{store}-near"] = partial(near, ground, store, count)
            works[f"{store}-far"] = partial(far, ground, store, count)
            works[f"{store}-many"] = partial(near, ground, store, count // 2, MANY)
        taken = in_turn(run, works)
        floor = statistics.median(taken.pop("floor"))
        yield {
            name: Sample(statistics.quantiles(times, n=100)[94], floor)
            for name, times in taken.items()
        }


WHERE = {
    "near": ("in the worker's process", 200.0),
    "far": ("in another process", 500.0),
    "many": (f"in the worker's process, {MANY:,} followers", 400.0),
}
HOLDS = "output is gathered for up to 0.1 s before it is kept"


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        for key, (where, most) in WHERE.items():
            yield Line(
                f"{store}-{key}", f"print → follower {where}, p95, {title}", "ms",
                "the program's pipe, p50", f"< {most:.0f} ms", (Goal(at_most=most),), HOLDS,
            )  # fmt: skip


BENCHMARK = Benchmark(tuple(_lines()), measure)

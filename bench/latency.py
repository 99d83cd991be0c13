"""How long a person waits for the first byte of a program's output, on an idle system."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from ground import Ground, Watch, a_program, an_engine, drained, submit
from jobyard import app
from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.config import Settings

COMMAND = ("/bin/echo", "here")
WARM_UP = 5
"""Jobs before the first sample: an idle engine has its connections and its watcher."""
PAUSE = 0.01
"""Seconds of rest between two samples, so that each finds the engine idle."""


def first_bytes(ground: Ground, store: str, count: int) -> list[float]:
    """Submit jobs to an idle engine; return the milliseconds until each one's first byte."""

    async def run(settings: Settings) -> list[float]:
        took = []
        watch = Watch()
        async with an_engine(settings, ("process",), watch) as yard:
            for _ in range(WARM_UP + count):
                await asyncio.sleep(PAUSE * (0.5 + random.random()))
                before = time.perf_counter()
                (job,) = await submit(yard.store, a_program(*COMMAND))
                took.append(await watch.first_words(job.id) - before)
                await drained(yard.store)
        return [seconds * 1000 for seconds in took[WARM_UP:]]

    with ground.settings(store, slots=4) as settings:
        return app.run_async(run(settings))


def bare_first_bytes(count: int) -> list[float]:
    """Spawn programs and wait for the first byte; return the milliseconds of each."""
    took = []
    for _ in range(count):
        time.sleep(PAUSE * (0.5 + random.random()))
        before = time.perf_counter()
        reading, writing = os.pipe2(os.O_CLOEXEC)
        action = (os.POSIX_SPAWN_DUP2, writing, 1)
        pid = os.posix_spawn(COMMAND[0], COMMAND, {}, file_actions=[action])
        os.close(writing)
        assert os.read(reading, 1)
        took.append((time.perf_counter() - before) * 1000)
        os.close(reading)
        os.waitpid(pid, 0)
    return took


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure both stores and the bare spawn."""
    count = ground.few(200, 50)
    for run in range(runs):
        times = in_turn(
            run,
            {
                "sqlite": partial(first_bytes, ground, "sqlite", count),
                "floor": partial(bare_first_bytes, count),
                "postgres": partial(first_bytes, ground, "postgres", count),
            },
        )
        yield {
            f"{store}-p{percent}": Sample(
                _percentile(times[store], percent), _percentile(times["floor"], percent)
            )
            for store in STORES
            for percent in MOST
        }


MOST = {50: 8.0, 99: 40.0}
"""Milliseconds allowed, by percentile."""
HOLDS = {"sqlite": "", "postgres": ""}


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        for percent, most in MOST.items():
            yield Line(
                f"{store}-p{percent}",
                f"submit → first byte of the program's output, idle, p{percent}, {title}",
                "ms",
                "bare posix_spawn → first byte",
                f"< {most:.0f} ms",
                (Goal(at_most=most),),
                HOLDS[store],
            )


BENCHMARK = Benchmark(tuple(_lines()), measure)

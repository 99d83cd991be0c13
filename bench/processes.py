"""Real programs: 5,000 times `/bin/true` through the whole engine, and by bare means."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import spawn
from ground import Ground, Watch, a_program, an_engine, drained, indexed, submit
from jobyard import app
from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobyard.config import Settings

SLOTS = spawn.PARALLEL
TARGET = "≥ 80 % of bare asyncio subprocesses"
AIM = "aim: 4,000/s where the floor is 6,700/s (60 %)"


def through_the_engine(ground: Ground, store: str, count: int) -> float:
    """Run one Indexed job of real programs; return programs a second."""

    async def run(settings: Settings) -> float:
        watch = Watch(count)
        async with an_engine(settings, ("process",), watch) as yard:
            start = time.perf_counter()
            await submit(yard.store, a_program(spawn.TRUE, **indexed(count, count)))
            await watch.all_ended()
            await drained(yard.store)
            return count / (time.perf_counter() - start)

    with ground.settings(store, slots=SLOTS) as settings:
        return app.run_async(run(settings))


def _rate(run: Callable[[int], None], count: int) -> float:
    start = time.perf_counter()
    run(count)
    return count / (time.perf_counter() - start)


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure the engine on both stores between the two floors."""
    count = ground.few(5000, 1000) // SLOTS * SLOTS
    for run in range(runs):
        rates = in_turn(
            run,
            {
                "asyncio": partial(_rate, spawn.run_asyncio, count),
                "sqlite": partial(through_the_engine, ground, "sqlite", count),
                "spawn": partial(_rate, spawn.run_floor, count),
                "postgres": partial(through_the_engine, ground, "postgres", count),
            },
        )
        yield {
            f"{store}-vs-{floor}": Sample(rates[store], rates[floor])
            for store in STORES
            for floor in ("asyncio", "spawn")
        }


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        what = f"`/bin/true`, one Indexed job of 5,000, output captured, {SLOTS} slots, {title}"
        yield Line(
            f"{store}-vs-asyncio", what, "/s", "bare asyncio subprocesses with pipes", TARGET,
            (Goal(at_least=0.8, of_ratio=True),), HOLDS["asyncio"],
        )  # fmt: skip
        yield Line(
            f"{store}-vs-spawn", what, "/s", "posix_spawn, epoll and pidfd", AIM,
            (Goal(at_least=4000 / 6700, of_ratio=True),), HOLDS["spawn"],
        )  # fmt: skip


HOLDS = {
    "asyncio": "",
    "spawn": "Popen's own Python is a third of the worker's core; the store and the programs share "
    "the other",
}

BENCHMARK = Benchmark(tuple(_lines()), measure)

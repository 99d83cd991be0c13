"""Submitting: how soon an idle engine starts a job, and what a job of a million indexes costs."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import statistics
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import yaml

import floors
from ground import Ground, a_fake, an_engine, drained, indexed, submit
from jobyard import app
from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.spec.executors import HERE
from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobyard.config import Settings

MILLION = 1_000_000
PAUSE = 0.01
"""Seconds of rest between two samples, so that each finds the engine idle."""
PARALLELISM = {"million": 16, "million-wide": MILLION}


def until_started(ground: Ground, store: str, count: int) -> float:
    """Submit jobs to an idle engine; return the median milliseconds until their attempt starts."""

    async def run(settings: Settings) -> float:
        took = []
        async with an_engine(settings, ("fake",)) as yard:
            for _ in range(count):
                await asyncio.sleep(PAUSE * (0.5 + random.random()))
                before = time.time_ns() / 1000
                (job,) = await submit(yard.store, a_fake())
                await drained(yard.store)
                (attempt,) = await yard.store.attempts(job.id)
                assert attempt.started_at is not None
                took.append(attempt.started_at - before)
        return statistics.median(took) / 1000

    with ground.settings(store) as settings:
        return app.run_async(run(settings))


def million(ground: Ground, store: str, parallelism: int, count: int) -> tuple[float, float]:
    """Submit jobs of a million indexes; return the median milliseconds and the bytes of each."""

    async def run(settings: Settings) -> tuple[float, float]:
        took = []
        async with app.open_yard(settings) as yard:
            await submit(yard.store, a_fake(**indexed(MILLION, parallelism)))
            before = await _size(settings)
            for _ in range(count):
                start = time.perf_counter()
                await submit(yard.store, a_fake(**indexed(MILLION, parallelism)))
                took.append(time.perf_counter() - start)
            after = await _size(settings)
        return statistics.median(took) * 1000, (after - before) / count

    with ground.settings(store) as settings:
        return app.run_async(run(settings))


def thousand(ground: Ground, store: str, document: bytes, count: int) -> float:
    """Hand in a document of 1,000 jobs; return the median milliseconds from bytes to answer."""

    async def run(settings: Settings) -> float:
        took = []
        async with app.open_yard(settings) as yard:
            desk = Desk(yard.store, yard.logs, executors=HERE)
            for _ in range(count):
                start = time.perf_counter()
                submitted = await desk.submit(document)
                answer(submitted.jobs)
                took.append(time.perf_counter() - start)
        return statistics.median(took) * 1000

    with ground.settings(store) as settings:
        return app.run_async(run(settings))


def _documents() -> dict[str, bytes]:
    """Write the same 1,000 jobs, such as people write, as JSON and as YAML."""
    jobs = [
        {
            "name": f"job-{number}",
            "command": ["sh", "-c", f"echo {number}"],
            "env": {"PART": str(number), "MODE": "fast"},
            "labels": {"team": "data", "part": str(number % 10)},
            "completions": 4,
            "parallelism": 2,
            "ttl": 3600,
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        }
        for number in range(1000)
    ]
    return {
        "json": json.dumps({"jobs": jobs}).encode(),
        "yaml": yaml.dump({"jobs": jobs}, sort_keys=False).encode(),
    }


async def _size(settings: Settings) -> int:
    """Tell the bytes of a store's tables and indexes, those in the write-ahead log left out."""
    if settings.database:
        connection = await asyncpg.connect(settings.database)
        try:
            size: int = await connection.fetchval(
                "SELECT sum(pg_relation_size(oid))::bigint FROM pg_class"
                " WHERE relkind IN ('r', 'i', 't') AND relnamespace IN"
                " ('public'::regnamespace, 'pg_toast'::regnamespace)"
            )
        finally:
            await connection.close()
        return size
    with closing(sqlite3.connect(settings.state_dir / "jobs.db")) as database:
        pages: int = database.execute("PRAGMA page_count").fetchone()[0]
        page_size: int = database.execute("PRAGMA page_size").fetchone()[0]
    return pages * page_size


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure both stores."""
    count = ground.few(200, 40)
    documents = _documents()
    for run in range(runs):
        taken: Samples = {}
        for store in STORES:
            times = in_turn(
                run,
                {
                    "start": partial(until_started, ground, store, count),
                    "hand over": partial(floors.hand_over, ground, store, count, PAUSE),
                },
            )
            sizes = in_turn(
                run, {key: partial(million, ground, store, p, 50) for key, p in PARALLELISM.items()}
            )
            handed_in = in_turn(
                run,
                {
                    syntax: partial(thousand, ground, store, text, ground.few(20, 5))
                    for syntax, text in documents.items()
                },
            )
            for syntax, took in handed_in.items():
                taken[f"{store}-thousand-{syntax}"] = Sample(took)
            one = floors.insert_one(ground, store, 200)
            taken[f"{store}-start"] = Sample(times["start"], times["hand over"])
            for key, (took, stored) in sizes.items():
                taken[f"{store}-{key}"] = Sample(took, one)
                taken[f"{store}-{key}-bytes"] = Sample(stored, len(floors.TEXT))
        yield taken


HOLDS = ""
"""What holds a missed target, as far as one is missed."""


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        goals = store == "postgres"
        yield Line(
            f"{store}-start", f"submit → started on an idle engine, p50, {title}", "ms",
            "bare durable insert, wake-up and claim", "≤ 2.5 ms" if goals else "",
            (Goal(at_most=2.5),) if goals else (), HOLDS,
        )  # fmt: skip
        for syntax in ("json", "yaml"):
            yield Line(
                f"{store}-thousand-{syntax}",
                f"1,000 jobs in one document of {syntax.upper()}, read, checked, kept, {title}",
                "ms", "", "< 300 ms", (Goal(at_most=300),), HOLDS,
            )  # fmt: skip
        for key, parallelism in PARALLELISM.items():
            what = f"submission of a job of 1,000,000 indexes, parallelism {parallelism:,}, {title}"
            yield Line(
                f"{store}-{key}", what, "ms", "bare durable insert of one row", "< 20 ms",
                (Goal(at_most=20),), HOLDS,
            )  # fmt: skip
            yield Line(
                f"{store}-{key}-bytes", what + ", stored", "bytes", "that row's bytes", "< 10 KB",
                (Goal(at_most=10_000),), HOLDS,
            )  # fmt: skip


BENCHMARK = Benchmark(tuple(_lines()), measure)

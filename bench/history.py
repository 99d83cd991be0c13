"""What the past and the neighbours cost: claims beside finished jobs, a small job behind a huge."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from ground import Ground, a_fake, an_engine, drained, indexed, submit
from jobyard import app
from jobyard.core.job import FakeScript
from jobyard.core.states import AttemptStatus, JobStatus
from jobyard.store.base import EndReport, Registration, Reports, Want
from lines import STORES, Benchmark, Goal, Line, Sample, Samples, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobyard.app import Yard
    from jobyard.config import Settings

SMALL = 1000
TEMPLATES = 10
"""Finished jobs that the history repeats; the last of them failed."""
SLICE = 50_000
SESSION = "bench"
WANT = Want({"fake": 1}, 1.0, 1 << 30)
_COUNT_SQLITE = """
(WITH RECURSIVE c(n) AS (VALUES (?1) UNION ALL SELECT n + 1 FROM c WHERE n < ?2) SELECT n FROM c)
"""
_COUNT_POSTGRES = "generate_series($1::bigint, $2::bigint) AS n"
KEYS = {"jobs": "id", "job_specs": "job_id", "attempts": "job_id", "job_events": "job_id"}
"""Tables of a finished job, each with its column of the job's id; other ids come by themselves."""
MILLION = 1_000_000
PROBES = 10
PAUSE = 0.2
SCRIPTS = {"instant": None, "paced": FakeScript(run_for=0.2)}


async def _make_templates(settings: Settings) -> None:
    async with an_engine(settings, ("fake",)) as yard:
        script = FakeScript(exit_code=1)
        good = [a_fake(ttl=None) for _ in range(TEMPLATES - 1)]
        await submit(yard.store, *good, a_fake(script, backoff_limit=0))
        await drained(yard.store)


def _copying(table: str, columns: Sequence[str], numbers: str) -> str:
    """Write the statement that repeats the templates' rows of a table for numbered jobs."""
    key = KEYS[table]
    others = [column for column in columns if column not in ("id", key)]
    names = ", ".join(f'"{column}"' for column in others)
    values = ", ".join(f't."{column}"' for column in others)
    return (
        f"INSERT INTO {table} ({key}, {names}) SELECT n, {values} "  # noqa: S608
        f"FROM {numbers} JOIN {table} AS t ON t.{key} = n % {TEMPLATES} + 1"
    )


def fill(settings: Settings, count: int) -> None:
    """Give a store ``count`` finished jobs, each with attempt and ledger, as the engine leaves."""
    app.run_async(_make_templates(settings))
    if settings.database:
        app.run_async(_fill_postgres(settings.database, count))
    else:
        _fill_sqlite(settings, count)


def _fill_sqlite(settings: Settings, count: int) -> None:
    with closing(
        sqlite3.connect(settings.state_dir / "jobs.db", isolation_level=None)
    ) as connection:
        for first in range(TEMPLATES + 1, count + 1, SLICE):
            span = (first, min(first + SLICE - 1, count))
            connection.execute("BEGIN")
            for table in KEYS:
                columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
                sql = _copying(table, columns, _COUNT_SQLITE)
                connection.execute(sql, span)
            connection.execute("COMMIT")
        connection.execute("UPDATE job_ids SET last = ?", (count,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _fill_postgres(dsn: str, count: int) -> None:
    connection = await asyncpg.connect(dsn)
    for table in KEYS:
        found = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1", table
        )
        sql = _copying(table, [row[0] for row in found], _COUNT_POSTGRES)
        for first in range(TEMPLATES + 1, count + 1, SLICE):
            await connection.execute(sql, first, min(first + SLICE - 1, count))
        # What autovacuum does in the hours in which a real history grows.
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.execute(f"SELECT setval('job_ids', {count})")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _introduce(yard: Yard) -> None:
    await yard.store.register(
        Registration(
            SESSION, SESSION, "localhost", 1, "0", {"fake": 1}, 1.0, 1 << 30, {}, lease=3600.0
        )
    )


async def _claim(yard: Yard) -> float:
    """Submit a job and claim its attempt; return the milliseconds of the claim."""
    await submit(yard.store, a_fake())
    start = time.perf_counter()
    settled = await yard.store.settle(SESSION, Reports(), WANT)
    took = time.perf_counter() - start
    (claim,) = settled.claims
    end = EndReport(
        claim.attempt_id, claim.job_id, claim.index, claim.number, AttemptStatus.SUCCEEDED, 0.0, 0.0
    )
    await yard.store.settle(SESSION, Reports(ended=[end]), None)
    assert (await yard.store.job(claim.job_id)).state.status is JobStatus.COMPLETED
    return took * 1000


async def claims(young: Settings, old: Settings, count: int) -> Sample:
    """Claim on a store without and on one with a history, in turn; return the medians."""
    took: dict[str, list[float]] = {"young": [], "old": []}
    async with app.open_yard(young) as one, app.open_yard(old) as other:
        yards = {"young": one, "old": other}
        for yard in yards.values():
            await _introduce(yard)
        for turn in range(count):
            for name in sorted(yards, reverse=bool(turn % 2)):
                took[name].append(await _claim(yards[name]))
        for yard in yards.values():
            await yard.store.leave(SESSION)
    return Sample(statistics.median(took["old"]), statistics.median(took["young"]))


def measure_claims(ground: Ground, runs: int) -> Iterator[Samples]:
    """Fill two stores of each kind once, and measure claims on them in every run."""
    large = ground.few(MILLION, 50_000)
    count = ground.few(300, 100)
    with ExitStack() as stack:
        grounds = {}
        for store in STORES:
            young, old = (stack.enter_context(ground.settings(store)) for _ in range(2))
            fill(young, SMALL)
            fill(old, large)
            grounds[store] = (young, old)
        for _ in range(runs):
            yield {
                f"{store}-claim": app.run_async(claims(young, old, count))
                for store, (young, old) in grounds.items()
            }


def slowest_start(ground: Ground, store: str, script: FakeScript | None) -> float:
    """Submit small jobs behind a huge one that fills every slot; return the slowest's seconds."""

    async def run(settings: Settings) -> float:
        took = []
        async with an_engine(settings, ("fake",)) as yard:
            await submit(yard.store, a_fake(script, **indexed(MILLION, MILLION)))
            await asyncio.sleep(1.0)
            for _ in range(PROBES):
                await asyncio.sleep(PAUSE)
                before = time.time_ns() / 1000
                (job,) = await submit(yard.store, a_fake())
                took.append(await _started(yard, job.id) - before)
        return max(took) / 1e6

    with ground.settings(store) as settings:
        return app.run_async(run(settings))


async def _started(yard: Yard, job_id: int) -> int:
    while True:
        started_at = (await yard.store.job(job_id)).state.started_at
        if started_at is not None:
            return started_at
        await asyncio.sleep(0.02)


def measure_fairness(ground: Ground, runs: int) -> Iterator[Samples]:
    """Measure how a small job fares behind a huge one."""
    for run in range(runs):
        slowest = in_turn(
            run,
            {
                f"{store}-{key}": partial(slowest_start, ground, store, script)
                for store in STORES
                for key, script in SCRIPTS.items()
            },
        )
        yield {name: Sample(seconds) for name, seconds in slowest.items()}


HOLDS = {
    "sqlite-claim": "",
    "postgres-claim": "",
    "sqlite-instant": "",
    "sqlite-paced": "",
    "postgres-instant": "",
    "postgres-paced": "",
}


def _claim_lines() -> Iterator[Line]:
    for store, title in STORES.items():
        yield Line(
            f"{store}-claim", f"a claim beside 1,000,000 finished jobs, {title}", "ms",
            "the same beside 1,000", "at most 1.5 times that", (Goal(at_most=1.5, of_ratio=True),),
            HOLDS[f"{store}-claim"],
        )  # fmt: skip


def _fairness_lines() -> Iterator[Line]:
    words = {"instant": "that end at once", "paced": "of 0.2 s"}
    for store, title in STORES.items():
        for key in SCRIPTS:
            yield Line(
                f"{store}-{key}",
                f"start of a small job behind one of 1,000,000 imagined programs {words[key]},"
                f" slowest of {PROBES}, {title}",
                "s", "", "< 1 s", (Goal(at_most=1),), HOLDS[f"{store}-{key}"],
            )  # fmt: skip


CLAIMS = Benchmark(tuple(_claim_lines()), measure_claims)
FAIRNESS = Benchmark(tuple(_fairness_lines()), measure_fairness)

"""Measure the store alone, beside bare SQL that claims and finishes rows: `store.py [--quick]`.

About twenty seconds. The engine's own figures are in RESULTS.md; these tell which share of them
is the store's.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from jobyard.core.job import CompletionMode, JobSpec, Policy, Program
from jobyard.core.states import AttemptStatus
from jobyard.store.base import EndReport, Registration, Reports, Submission, Want
from jobyard.store.postgres import open_postgres
from jobyard.store.sqlite import open_sqlite
from jobyard.testing.postgres import PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jobyard.store.base import LogStore, Store

BATCH = 500
CALLERS = 16
WANT = Want({"fake": BATCH}, 1.0, 1)
_TABLE = "CREATE TABLE queue (id {0} PRIMARY KEY, status text NOT NULL, session text)"
_INDEX = "CREATE INDEX waiting ON queue (id) WHERE status = 'SCHEDULED'"


def indexed(completions: int, parallelism: int) -> JobSpec:
    """Make an Indexed job for the fake executor."""
    policy = Policy(
        completions=completions, parallelism=parallelism, completion_mode=CompletionMode.INDEXED
    )
    return JobSpec("bench", Program(("true",)), policy, executor="fake")


async def drain(store: Store, count: int) -> float:
    """Claim and finish everything as one worker does; return attempts a second."""
    await store.register(Registration("w", "s", "h", 1, "0", {"fake": 1}, 1.0, 1, {}, 60.0))
    began, done, reports = time.perf_counter(), 0, Reports()
    while done < count:
        settled = await store.settle("s", reports, WANT)
        reports = Reports(
            ended=[
                EndReport(
                    claim.attempt_id,
                    claim.job_id,
                    claim.index,
                    claim.number,
                    AttemptStatus.SUCCEEDED,
                    0.0,
                    0.0,
                    exit_code=0,
                )
                for claim in settled.claims
            ]
        )
        done += len(settled.claims)
    await store.settle("s", reports, None)
    return count / (time.perf_counter() - began)


async def one_job(store: Store, count: int) -> float:
    """Drain one job whose parallelism the worker fills: attempts never wait in the queue."""
    await store.submit(Submission([indexed(count, BATCH)]))
    return await drain(store, count)


async def one_wide_job(store: Store, count: int) -> float:
    """Drain one job that is wider than the worker: every attempt waits in the queue first."""
    await store.submit(Submission([indexed(count, 2 * BATCH)]))
    return await drain(store, count)


async def many_jobs(store: Store, count: int) -> float:
    """Submit jobs of one attempt in batches, then drain them; return jobs a second of both."""
    spec = indexed(1, 1)
    began = time.perf_counter()
    for _ in range(0, count, BATCH):
        await store.submit(Submission([spec] * BATCH))
    submitted = time.perf_counter() - began
    return count / (submitted + count / await drain(store, count))


async def one_by_one(store: Store, count: int) -> float:
    """Submit jobs one by one from several callers; return jobs a second."""
    spec = indexed(1, 1)

    async def call() -> None:
        for _ in range(count // CALLERS):
            await store.submit(Submission([spec]))

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return count / (time.perf_counter() - began)


def sqlite_floor(folder: Path, count: int) -> float:
    """Claim and finish rows in batches with nothing but SQL; return rows a second."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(_TABLE.format("integer"))
    connection.execute(_INDEX)
    rows = ((number,) for number in range(count))
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO queue VALUES (?, 'SCHEDULED', NULL)", rows)
    connection.execute("COMMIT")
    began, ids = time.perf_counter(), [(-1,)]
    while ids:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("UPDATE queue SET status = 'SUCCEEDED' WHERE id = ?", ids)
        ids = connection.execute(
            "UPDATE queue SET status = 'QUEUED', session = 's' WHERE id IN"
            " (SELECT id FROM queue WHERE status = 'SCHEDULED' ORDER BY id LIMIT ?) RETURNING id",
            (BATCH,),
        ).fetchall()
        connection.execute("COMMIT")
    return count / (time.perf_counter() - began)


async def postgres_floor(dsn: str, count: int) -> float:
    """Claim and finish rows in batches with nothing but SQL; return rows a second."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(_TABLE.format("bigint"))
    await connection.execute(_INDEX)
    await connection.execute(
        "INSERT INTO queue SELECT generate_series(1, $1::int), 'SCHEDULED'", count
    )
    began, ids = time.perf_counter(), [-1]
    while ids:
        async with connection.transaction():
            await connection.execute(
                "UPDATE queue SET status = 'SUCCEEDED' WHERE id = ANY ($1::bigint[])", ids
            )
            claimed = await connection.fetch(
                "UPDATE queue SET status = 'QUEUED', session = 's' WHERE id = ANY (ARRAY("
                "SELECT id FROM queue WHERE status = 'SCHEDULED' ORDER BY id LIMIT $1"
                " FOR UPDATE SKIP LOCKED)) RETURNING id",
                BATCH,
            )
        ids = [row[0] for row in claimed]
    await connection.close()
    return count / (time.perf_counter() - began)


MEASURES: dict[str, tuple[Callable[[Store, int], Awaitable[float]], int]] = {
    "one job": (one_job, 40_000),
    "one wide job": (one_wide_job, 30_000),
    "many jobs": (many_jobs, 8_000),
    "one by one": (one_by_one, 4_000),
}


async def measure(server: PrivatePostgres, backend: str, name: str, few: int) -> float:
    """Take one measure on an empty store."""
    with tempfile.TemporaryDirectory(prefix="jobyard-bench-") as folder:
        store: Store
        logs: LogStore
        if backend == "sqlite":
            store, logs = open_sqlite(Path(folder))
        else:
            store, logs = open_postgres(server.create_database(name.replace(" ", "_")))
        await logs.open()
        await store.open()
        work, count = MEASURES[name]
        rate = await work(store, count // few)
        await store.close()
        await logs.close()
        return rate


def main() -> None:
    """Print each figure and its ratio to the floor of the same database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    few = 4 if parser.parse_args().quick else 1
    settings = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
    with PrivatePostgres(settings=settings) as server, tempfile.TemporaryDirectory() as folder:
        floors = {
            "sqlite": sqlite_floor(Path(folder), 100_000 // few),
            "postgres": asyncio.run(postgres_floor(server.dsn(), 100_000 // few)),
        }
        for backend, floor in floors.items():
            print(f"{backend:9} {'bare claim and finish':22} {floor:9,.0f}/s")
            for name in MEASURES:
                rate = asyncio.run(measure(server, backend, name, few))
                print(f"{backend:9} {name:22} {rate:9,.0f}/s  {rate / floor:5.2f} of bare")


if __name__ == "__main__":
    main()

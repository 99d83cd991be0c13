"""What 100,000 files of tables cost whoever plans, looks how far they are, or goes on after a kill.

The store is filled by SQL with what publishing leaves. In one shape all files are in the canonical
chain; in the other the first of two writers is far behind, and half of the blocks lie beside it.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg

from ground import Ground, a_program, submit
from jobyard import app
from jobyard.core.extract import Extract
from jobyard.core.extraction import Publication, Wish
from jobyard.core.segments import Segment
from jobyard.core.shares import LARGEST_CHUNK, Share
from jobyard.store.base import Registration, Reports, Want
from lines import STORES, Benchmark, Goal, Line, Sample, Samples

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from jobyard.config import Settings
    from jobyard.store.base import Store

SEGMENTS = 100_000
TABLES = ("blocks", "logs", "transactions")
SESSION = "bench"
TIMES = 5
DELAY = 1_800_000_000
"""Microseconds that a replaced file stays; none is here."""
_ROWS = """
INSERT INTO segments (
    revision_id, name, network, start_block, stop_block, hash, prev_hash, size, row_count,
    created_at, chained)
SELECT r.id, {text} || '-8c1f26b2d0a94e5b8d3a7d4d6a2b1c0e.parquet', 'net', n * {chunk},
    (n + 1) * {chunk}, '0x' || {after}, '0x' || {before}, 1000000, {chunk}, n, {chained}
FROM {numbers} CROSS JOIN table_revisions AS r
WHERE {chained} OR n % 2 = 1
"""
_WORDS = {
    "sqlite": {
        "text": "printf('%09d', n)",
        "after": "printf('%064x', n + 1)",
        "before": "printf('%064x', n)",
    },
    "postgres": {
        "text": "lpad(n::text, 9, '0')",
        "after": "lpad(to_hex(n + 1), 64, '0')",
        "before": "lpad(to_hex(n), 64, '0')",
    },
}
_NUMBERS = {
    "sqlite": "(WITH RECURSIVE c(n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM c WHERE n < {last})"
    " SELECT n FROM c)",
    "postgres": "generate_series(0, {last}) AS n",
}
_CHAIN = """
UPDATE table_revisions SET chain_start = 0, chain_stop = {stop}, chain_hash = 'x', files = {files}
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """An attempt that extracts, as a store knows it."""

    store: Store
    job_id: int
    attempt_id: int
    extract: Extract
    blocks: int

    async def open(self) -> None:
        """Become the writer of the tables."""
        wishes = [Wish(table, f"/data/{table}") for table in TABLES]
        await self.store.open_tables(SESSION, self.attempt_id, self.job_id, self.extract, wishes)

    async def progress(self) -> None:
        """Look how far the tables are."""
        await self.store.extraction(self.job_id)

    async def plan(self, index: int) -> None:
        """Find out what one of two writers is to extract."""
        share = Share(LARGEST_CHUNK, index, 2)
        await self.store.lacking(self.job_id, (0, 2 * self.blocks), share)

    async def resume(self) -> None:
        """Do what an attempt does before it reads its first block."""
        await self.open()
        for table in TABLES:
            await self.store.table_files(self.job_id, table)
        await self.plan(0)


async def introduced(store: Store, blocks: int) -> Writer:
    """Have a worker run the only attempt of a job that extracts."""
    extract = Extract("eth", "main", "dev", "hash", "evm-rpc", "evm", "net", TABLES)
    (job,) = await submit(store, replace(a_program("true"), extract=extract, executor="fake"))
    await store.register(
        Registration(SESSION, SESSION, "here", 1, "0", {"fake": 1}, 1.0, 1 << 30, {}, lease=3600.0)
    )
    settled = await store.settle(SESSION, Reports(), Want({"fake": 1}, 1.0, 1 << 30))
    (claim,) = settled.claims
    writer = Writer(store, job.id, claim.attempt_id, extract, blocks)
    await writer.open()
    return writer


async def fill(settings: Settings, kind: str, each: int, *, far_behind: bool) -> None:
    """Give each table ``each`` files' worth of blocks."""
    chained = "n < 2" if far_behind else "n >= 0"
    statements = [
        _ROWS.format(
            **_WORDS[kind],
            chunk=LARGEST_CHUNK,
            numbers=_NUMBERS[kind].format(last=each - 1),
            chained=chained,
        ),
        _CHAIN.format(stop=(2 if far_behind else each) * LARGEST_CHUNK, files=each),
    ]
    if kind == "sqlite":
        with closing(sqlite3.connect(settings.state_dir / "jobs.db")) as beside, beside:
            for statement in statements:
                beside.execute(statement)
        return
    connection = await asyncpg.connect(settings.database)
    for statement in [*statements, "VACUUM ANALYZE segments"]:
        await connection.execute(statement)
    await connection.close()


async def median(work: Callable[[], Awaitable[Any]]) -> Sample:
    """Measure milliseconds."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await work()
        took.append(time.perf_counter() - began)
    return Sample(statistics.median(took) * 1000)


async def shape(settings: Settings, kind: str, count: int, *, far_behind: bool) -> Samples:
    """Measure one shape; ``count`` files in all."""
    # Far behind, only every other piece has been published.
    each = count // len(TABLES) * (2 if far_behind else 1)
    async with app.open_yard(settings) as yard:
        writer = await introduced(yard.store, each * LARGEST_CHUNK)
        await fill(settings, kind, each, far_behind=far_behind)
        if far_behind:
            found = {
                "behind-first": await median(lambda: writer.plan(0)),
                "behind-second": await median(lambda: writer.plan(1)),
            }
        else:
            found = {
                "progress": await median(writer.progress),
                "plan": await median(lambda: writer.plan(0)),
                "resume": await median(writer.resume),
                "publish": await published(writer, each),
            }
        await yard.store.leave(SESSION)
    return {f"{kind}-{name}": sample for name, sample in found.items()}


async def published(writer: Writer, each: int) -> Sample:
    """Publish files at the end of a long chain."""
    numbers = iter(range(each, each + TIMES))

    async def publish() -> None:
        n = next(numbers)
        span = n * LARGEST_CHUNK, (n + 1) * LARGEST_CHUNK
        segment = Segment(f"{n}", "net", *span, f"0x{n + 1:064x}", f"0x{n:064x}")
        publication = Publication("blocks", segment, 1)
        await writer.store.publish(SESSION, writer.attempt_id, writer.job_id, publication, DELAY)

    return await median(publish)


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Fill stores of each kind, and ask them."""
    count = ground.few(SEGMENTS, 6_000)
    for _ in range(runs):
        samples: Samples = {}
        for store in STORES:
            for far_behind in (False, True):
                with ExitStack() as stack:
                    settings = stack.enter_context(ground.settings(store))
                    work = shape(settings, store, count, far_behind=far_behind)
                    samples |= app.run_async(work)
        yield samples


WHAT = {
    "progress": "how far a job of three tables is, 100,000 files in all",
    "plan": "what such a job lacks, for one of two writers",
    "resume": "all that an attempt asks before its first block: tables, names of files, plan",
    "publish": "one more file at the end of such a table",
    "behind-first": "what the first of two writers lacks that is far behind, 100,000 files ahead",
    "behind-second": "what the second lacks then",
}


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        for name, what in WHAT.items():
            yield Line(
                f"{store}-{name}",
                f"{what}, {title}",
                "ms",
                "",
                "< 200 ms",
                (Goal(at_most=200),),
                "",
            )


BENCHMARK = Benchmark(tuple(_lines()), measure)

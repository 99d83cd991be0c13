"""What the size of a yard costs: lists, sums, deletions and claims beside a million jobs."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from ground import Ground, a_fake, an_engine, drained, submit
from jobyard import app
from jobyard.core.job import FakeScript, JobSpec, Policy, Program
from jobyard.core.states import ACTIVE, JobStatus
from jobyard.store.base import JobQuery, LabelFilter, Registration, Reports, Want
from lines import STORES, Benchmark, Goal, Line, Sample, Samples

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from jobyard.config import Settings
    from jobyard.store.base import Store

MILLION = 1_000_000
SMALL = 1000
ACTIVE_SHARE = 10
"""Finished jobs for each active one."""
SLICE = 50_000
TEMPLATES = 10
"""Finished jobs that the history repeats; the last of them failed. The next one is active."""
WAITS_FOR = "http"
"""An executor that no engine here has."""
RARE = "n BETWEEN 21 AND 40"
"""The old jobs that have what is rare."""
SOME = 20
CALLS = 15
"""Times each call is measured in a run."""
PRUNED = 20

_SQLITE_NUMBERS = """
(WITH RECURSIVE c(n) AS (VALUES (?1) UNION ALL SELECT n + 1 FROM c WHERE n < ?2) SELECT n FROM c)
"""
_POSTGRES_NUMBERS = "(SELECT * FROM generate_series($1::bigint, $2::bigint) AS n) AS n"
_KEYS = {"jobs": "id", "job_specs": "job_id", "attempts": "job_id", "job_events": "job_id"}


def _rarely(rare: str, common: str) -> str:
    return f"CASE WHEN {RARE} THEN {rare} ELSE {common} END"


_STATUS = _rarely("'STOPPED'", "t.status")
_WORKER = _rarely("'w-rare'", "'w-' || (n % 10)")
_FINISHED = {
    "jobs": {
        "status": _STATUS, "listed_status": _STATUS, "outcome": _STATUS,
        "worker_id": _WORKER, "listed_worker": _WORKER,
        "created_at": "n * 1000000", "finished_at": "n * 1000000 + 5",
    },
    "job_specs": {
        "name": _rarely("'rare'", "'job'"), "namespace": _rarely("'rare'", "'default'"),
        "trigger": _rarely("'workflow'", "'api'"), "workflow_id": _rarely("7", "n % 10 + 10"),
        "dataset": _rarely("'eth/rare'", "'eth/main'"),
        "labels": _rarely("""'{"app": "rare"}'""", """'{"app": "web"}'"""),
    },
}  # fmt: skip
_LABELS = """
INSERT INTO job_labels (label, job_id)
SELECT CASE WHEN job_id BETWEEN 21 AND 40 THEN 'app=rare' ELSE 'app=web' END, job_id
FROM job_specs WHERE job_id > {templates}
"""
_COUNTED = (
    ("'jobs', status", "jobs"),
    ("'kept', status", "jobs WHERE finished_at IS NOT NULL AND expires_at IS NULL"),
    ("'waiting', executor", "attempts WHERE status = 'SCHEDULED'"),
)


def _counts(shard: str, zero: str) -> Iterator[str]:
    yield "DELETE FROM counters"
    for what, rows in _COUNTED:
        yield (
            f"INSERT INTO counters ({shard}kind, label, n)"  # noqa: S608 - names of our own
            f" SELECT {zero}{what}, count(*) FROM {rows} GROUP BY {what.split()[-1]}"
        )


async def _make_templates(settings: Settings) -> None:
    async with an_engine(settings, ("fake",)) as yard:
        good = [a_fake() for _ in range(TEMPLATES - 1)]
        await submit(yard.store, *good, a_fake(FakeScript(exit_code=1), backoff_limit=0))
        await drained(yard.store)
        await submit(yard.store, JobSpec("active", Program(("true",)), Policy(), executor="http"))


def _statements(
    columns: Mapping[str, list[str]], numbers: str, finished: int
) -> Iterator[tuple[str, int, int]]:
    """Write the statements that fill each table, with the span of numbers of each."""
    active = {
        "jobs": {
            "status": f"CASE WHEN n <= {finished + SOME} THEN 'RUNNING' ELSE t.status END",
            "listed_status": f"CASE WHEN n <= {finished + SOME} THEN 'RUNNING' ELSE t.status END",
            "created_at": "n * 1000000",
        },
        "job_specs": {"labels": """'{"app": "web"}'"""},
    }
    spans = (
        (_FINISHED, f"n % {TEMPLATES} + 1", TEMPLATES + 2, finished),
        (active, f"{TEMPLATES + 1}", finished + 1, finished + finished // ACTIVE_SHARE),
    )
    for overrides, template, first, last in spans:
        for table, key in _KEYS.items():
            others = [name for name in columns[table] if name not in ("id", key)]
            values = [overrides.get(table, {}).get(name, f't."{name}"') for name in others]
            names = ", ".join(f'"{name}"' for name in others)
            sql = (
                f"INSERT INTO {table} ({key}, {names}) SELECT n, {', '.join(values)}"  # noqa: S608
                f" FROM {numbers} JOIN {table} AS t ON t.{key} = {template}"
            )
            for start in range(first, last + 1, SLICE):
                yield sql, start, min(start + SLICE - 1, last)


def fill(settings: Settings, finished: int) -> None:
    """Give a store ``finished`` jobs that are over and a tenth of that which are not."""
    app.run_async(_make_templates(settings))
    if settings.database:
        app.run_async(_fill_postgres(settings.database, finished))
    else:
        _fill_sqlite(settings, finished)


def _fill_sqlite(settings: Settings, finished: int) -> None:
    path = settings.state_dir / "jobs.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        columns = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for table in _KEYS
        }
        for sql, first, last in _statements(columns, _SQLITE_NUMBERS, finished):
            connection.execute(sql, (first, last))
        connection.execute(_LABELS.format(templates=TEMPLATES + 1))
        for sql in _counts("", ""):
            connection.execute(sql)
        connection.execute("UPDATE job_ids SET last = ?", (2 * finished,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def _fill_postgres(dsn: str, finished: int) -> None:
    connection = await asyncpg.connect(dsn)
    columns = {}
    for table in _KEYS:
        found = await connection.fetch(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position",
            table,
        )
        columns[table] = [row[0] for row in found]
    for sql, first, last in _statements(columns, _POSTGRES_NUMBERS, finished):
        await connection.execute(sql, first, last)
    await connection.execute(_LABELS.format(templates=TEMPLATES + 1))
    for sql in _counts("shard, ", "0, "):
        await connection.execute(sql)
    await connection.execute(f"SELECT setval('job_ids', {2 * finished})")
    # What autovacuum does in the hours in which a real history grows.
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()


def _label(value: str, *, equal: bool = True) -> LabelFilter:
    return LabelFilter("app", value, equal)


QUERIES: dict[str, dict[str, Any]] = {
    "all": {},
    "active": {"statuses": ACTIVE},
    "running": {"statuses": [JobStatus.RUNNING]},
    "stopped": {"statuses": [JobStatus.STOPPED]},
    "completed": {"statuses": [JobStatus.COMPLETED]},
    "name-rare": {"name": "rare"},
    "name": {"name": "job"},
    "namespace-rare": {"namespace": "rare"},
    "namespace": {"namespace": "default"},
    "label-rare": {"labels": [_label("rare")]},
    "label": {"labels": [_label("web")]},
    "not-label": {"labels": [_label("rare", equal=False)]},
    "trigger-rare": {"trigger": "workflow"},
    "trigger": {"trigger": "api"},
    "worker-rare": {"worker_id": "w-rare"},
    "worker": {"worker_id": "w-3"},
    "workers": {"worker_id": "w-*"},
    "workflow-rare": {"workflow_id": 7},
    "workflow": {"workflow_id": 13},
    "dataset-rare": {"dataset": "eth/rare"},
    "dataset": {"dataset": "eth/main"},
    "rare-of-common": {"labels": [_label("rare")], "namespace": "rare", "statuses": ACTIVE},
    "common-of-common": {"labels": [_label("web")], "name": "job", "trigger": "api"},
    "old": {"created_after": 1, "name": "job"},
}
"""The pages, by what they filter; "rare" is what few old jobs have."""


def _calls(store: Store, newest: int) -> dict[str, Callable[[], Awaitable[Any]]]:
    pages = {
        f"page-{name}": partial(store.jobs, JobQuery(**query)) for name, query in QUERIES.items()
    }
    soon = JobQuery(created_after=(newest - SOME) * 1_000_000)
    return {
        **pages,
        "page-new": partial(store.jobs, soon),
        "measure": store.measure,
        "count-status": partial(store.count, JobQuery(statuses=[JobStatus.COMPLETED])),
        "count-label": partial(store.count, JobQuery(labels=[_label("rare")])),
        "prune": partial(store.prune, JobQuery(statuses=[JobStatus.COMPLETED]), PRUNED),
        "claim": partial(store.settle, "bench", Reports(), Want({WAITS_FOR: 1}, 1.0, 1 << 30)),
    }


async def compare(young: Settings, old: Settings, sizes: tuple[int, int]) -> Samples:
    """Make each call on a small store and on a large one, in turn; the medians of both."""
    samples = {}
    async with app.open_yard(young) as one, app.open_yard(old) as other:
        both = (one.store, other.store)
        for store in both:
            slots = {WAITS_FOR: 1000}
            worker = Registration("bench", "bench", "h", 1, "0", slots, 1.0, 1, {}, 3600.0)
            await store.register(worker)
        calls = [
            _calls(store, size + size // ACTIVE_SHARE)
            for store, size in zip(both, sizes, strict=True)
        ]
        for name in calls[0]:
            took: tuple[list[float], list[float]] = ([], [])
            for turn in range(CALLS + 2):
                for which in (0, 1) if turn % 2 else (1, 0):
                    start = time.perf_counter()
                    await calls[which][name]()
                    took[which].append((time.perf_counter() - start) * 1000)
            # The first two warm caches and plans.
            small, large = (statistics.median(times[2:]) for times in took)
            samples[name] = Sample(large, small)
        for store in both:
            await store.leave("bench")
    await asyncio.sleep(0)
    return samples


def measure(ground: Ground, runs: int) -> Iterator[Samples]:
    """Fill two stores of each kind once, and compare them in every run."""
    large = ground.few(MILLION, 50_000)
    with ExitStack() as stack:
        grounds = {}
        for store in STORES:
            young, old = (stack.enter_context(ground.settings(store)) for _ in range(2))
            fill(young, SMALL)
            fill(old, large)
            grounds[store] = (young, old)
        for _ in range(runs):
            yield {
                f"{store}-{name}": sample
                for store, (young, old) in grounds.items()
                for name, sample in app.run_async(compare(young, old, (SMALL, large))).items()
            }


HOLDS: dict[str, str] = {}
WORDS = {
    "page-new": "a page of what was created just now",
    "measure": "all sums of the yard",
    "count-status": "how many are COMPLETED",
    "count-label": "how many have a rare label",
    "prune": f"a deletion of {PRUNED} jobs by filter",
    "claim": "a claim of one of those that wait",
    **{f"page-{name}": f"a page of {name.replace('-', ', ')}" for name in QUERIES},
}


def _lines() -> Iterator[Line]:
    for store, title in STORES.items():
        for name, words in WORDS.items():
            yield Line(
                f"{store}-{name}", f"{words}, 1,000,000 jobs over and 100,000 active, {title}",
                "ms", "the same beside 1,000 and 100", "at most 1.5 times that",
                (Goal(at_most=1.5, of_ratio=True),), HOLDS.get(f"{store}-{name}", ""),
            )  # fmt: skip


BENCHMARK = Benchmark(tuple(_lines()), measure)

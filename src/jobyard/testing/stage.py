"""A store on a stage: a clock that tests set, workers that do as told, everything one call away.

Tests of the store are not about awaiting. A ``Stage`` runs each call to its end, on SQLite or on
PostgreSQL, and offers the few shapes that tests build jobs and reports from.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from jobyard import ids
from jobyard.core.job import CompletionMode, JobSpec, Policy, Program, Resources
from jobyard.core.states import AttemptStatus
from jobyard.store.base import (
    CrashReport,
    EndReport,
    Registration,
    Reports,
    StartReport,
    Submission,
    Want,
)
from jobyard.store.postgres.driver import PostgresDriver
from jobyard.store.postgres.logs import PostgresLogs
from jobyard.store.sql_store import SqlStore
from jobyard.store.sqlite.driver import SqliteDriver
from jobyard.store.sqlite.logs import SqliteLogs
from jobyard.store.sqlite.wakes import Wakes

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from pathlib import Path

    from jobyard.core.records import Attempt, Job
    from jobyard.store.base import Claim, LogStore, Settled

T = TypeVar("T")

SECOND = 1_000_000
LEASE = 15.0
"""Seconds of lease that a stage's worker asks for."""
_TABLES = (
    "jobs", "job_specs", "attempts", "checkpoints", "job_events", "dependencies", "deletions",
    "idempotency_keys", "workers", "job_labels", "counters", "table_revisions", "segments",
    "retired_files", "extractions", "extraction_tables", "dataset_tags", "dataset_manifests",
    "manifests", "providers",
)  # fmt: skip


class StageClock:
    """A clock that stands still until it is told to go on. Reads as microseconds since 1970."""

    def __init__(self) -> None:
        """Start somewhere in 2023."""
        self.now = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        """Read it."""
        return self.now

    def advance(self, seconds: float) -> int:
        """Go on, and read it."""
        self.now += int(seconds * SECOND)
        return self.now


class Stage:
    """One store, opened, with its clock; made by ``sqlite_stage`` and ``postgres_stage``."""

    def __init__(
        self, kind: str, place: str, store: SqlStore, logs: LogStore, clock: StageClock
    ) -> None:
        """Hold the parts; ``place`` is a file or a DSN, for SQL beside the store."""
        self.kind = kind
        self.place = place
        self.store = store
        self.logs = logs
        self.clock = clock
        self.runner = asyncio.Runner()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one call to its end."""
        return self.runner.run(work)

    def together(self, *works: Coroutine[Any, Any, Any]) -> list[Any]:
        """Run calls at the same time; an error is in its call's place."""

        async def gather() -> list[Any]:
            return list(await asyncio.gather(*works, return_exceptions=True))

        return self.runner.run(gather())

    def submit(self, *specs: JobSpec, **options: Any) -> list[Job]:
        """Submit specs together."""
        return self.do(self.store.submit(Submission(specs, **options)))

    def submit_one(self, spec: JobSpec, **options: Any) -> int:
        """Submit a spec and name its job."""
        return self.submit(spec, **options)[0].id

    def job(self, job_id: int) -> Job:
        """Read a job."""
        return self.do(self.store.job(job_id))

    def status(self, job_id: int) -> str:
        """Read a job's status."""
        return str(self.job(job_id).state.status)

    def attempts(self, job_id: int) -> list[Attempt]:
        """Read a job's attempts."""
        return self.do(self.store.attempts(job_id))

    def story(self, job_id: int) -> list[str]:
        """Read the events of a job's ledger."""
        return [str(line.event) for line in self.do(self.store.events(job_id))]

    def decide_due(self) -> int:
        """Decide until nothing is due; count the decisions."""
        count = 0
        for _ in range(100):
            decided = self.do(self.store.decide_due())
            count += decided.jobs
            if not decided.jobs:
                return count
        message = "something is due without end"
        raise AssertionError(message)

    def worker(
        self,
        worker_id: str = "w",
        *,
        labels: dict[str, str] | None = None,
        executors: dict[str, int] | None = None,
        lease: float = LEASE,
    ) -> StageWorker:
        """Register a worker."""
        session = ids.session()
        registration = Registration(
            worker_id, session, "host", 1, "0", executors or {"fake": 100}, 64.0, 2**40,
            labels or {}, lease,
        )  # fmt: skip
        self.do(self.store.register(registration))
        return StageWorker(self, worker_id, session)

    def lose(self, worker: StageWorker) -> list[str]:
        """Let a worker's lease run out and have it taken."""
        del worker
        self.clock.advance(LEASE + 1)
        return self.do(self.store.expire_leases(unbroken=LEASE * 2))

    def sql(self, statement: str, *, count: bool = False) -> Any:
        """Run SQL beside the store, committed; read its first column if ``count``."""
        if self.kind == "sqlite":
            with contextlib.closing(sqlite3.connect(self.place)) as connection, connection:
                rows = connection.execute(statement).fetchall()
            return [row[0] for row in rows] if count else None
        return self.do(self._postgres_sql(statement))

    async def _postgres_sql(self, statement: str) -> Any:
        connection = await asyncpg.connect(self.place)
        try:
            return [row[0] for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def clear(self) -> None:
        """Forget everything, so that ids begin at 1 again."""
        if self.kind == "sqlite":
            for table in (*_TABLES, "sqlite_sequence"):
                self.sql(f"DELETE FROM {table}")  # noqa: S608 - names of our own
            self.sql("UPDATE job_ids SET last = 0")
            return
        deletes = "; ".join(f"DELETE FROM {table}" for table in (*_TABLES, "log_chunks"))  # noqa: S608
        sequences = "job_ids", "attempts_id_seq", "job_events_id_seq"
        resets = "; ".join(f"PERFORM setval('{name}', 1, false)" for name in sequences)
        self.sql(f"DO $$ BEGIN {deletes}; {resets}; END $$")

    def close(self) -> None:
        """Let go of the store."""

        async def close() -> None:
            await self.store.close()
            await self.logs.close()

        self.do(close())
        self.runner.close()


@dataclass(slots=True)
class StageWorker:
    """A worker that claims and reports as told."""

    stage: Stage
    id: str
    session: str
    known: set[int] = field(default_factory=set)

    def settle(
        self, reports: Reports | None = None, want: Want | None = None, *, look: bool = True
    ) -> Settled:
        """Speak to the store once."""
        return self.stage.do(self.speak(reports, want, look=look))

    async def speak(
        self, reports: Reports | None = None, want: Want | None = None, *, look: bool = True
    ) -> Settled:
        """Speak to the store once, to be awaited together with others."""
        return await self.stage.store.settle(
            self.session, reports or Reports(), want, known=self.known, look_for_stops=look
        )

    def claim(self, count: int = 1, executor: str = "fake", **more: Any) -> list[Claim]:
        """Claim up to ``count`` attempts."""
        return self.settle(want=wanted(count, executor, **more)).claims

    def claim_one(self) -> Claim:
        """Claim the one attempt that waits."""
        [claim] = self.claim()
        return claim

    def start(self, *claims: Claim) -> Settled:
        """Report that programs run."""
        return self.settle(Reports(started=[started(claim) for claim in claims]))

    def end(self, *claims: Claim, **how: Any) -> Settled:
        """Report that attempts ended."""
        return self.settle(Reports(ended=[ended(claim, **how) for claim in claims]))

    def fail(self, *claims: Claim, **how: Any) -> Settled:
        """Report that attempts failed."""
        return self.end(*claims, **{"status": AttemptStatus.FAILED, "exit_code": 1, **how})

    def crash(self, claim: Claim) -> Settled:
        """Ask to restart a program in place."""
        attempts = self.stage.attempts(claim.job_id)
        [restarts] = [a.restarts for a in attempts if a.id == claim.attempt_id]
        crash = CrashReport(claim.attempt_id, claim.job_id, restarts)
        return self.settle(Reports(crashed=[crash]))


def wanted(count: int = 1, executor: str = "fake", **more: Any) -> Want:
    """Say that there is room for ``count`` attempts."""
    return Want({executor: count}, **{"cpu": 64.0, "memory": 2**40, **more})


def started(claim: Claim, age: float = 0.0) -> StartReport:
    """Report a start."""
    return StartReport(claim.attempt_id, claim.job_id, age, "handle", claim.first)


def ended(
    claim: Claim,
    *,
    status: AttemptStatus = AttemptStatus.SUCCEEDED,
    age: float = 0.0,
    started_age: float | None = 0.0,
    exit_code: int | None = 0,
    **more: Any,
) -> EndReport:
    """Report an end: a success unless told otherwise."""
    return EndReport(
        claim.attempt_id,
        claim.job_id,
        claim.index,
        claim.number,
        status,
        age,
        started_age,
        exit_code=exit_code,
        **more,
    )


def make_spec(
    name: str = "job",
    *,
    indexed: bool = False,
    cpu: float = 0.0,
    memory: int = 0,
    policy: dict[str, Any] | None = None,
    **fields: Any,
) -> JobSpec:
    """Make a spec for the ``fake`` executor; ``policy`` holds what decides."""
    values = dict(policy or {})
    if indexed:
        values["completion_mode"] = CompletionMode.INDEXED
    program = Program(("true",), resources=Resources(request_cpu=cpu, request_memory=memory))
    return JobSpec(name, program, Policy(**values), **{"executor": "fake", **fields})


@contextlib.contextmanager
def sqlite_stage(folder: Path) -> Iterator[Stage]:
    """Set a stage on SQLite, in files below ``folder``."""
    clock = StageClock()
    logs = SqliteLogs(folder / "logs.db")
    driver = SqliteDriver(folder / "jobs.db", Wakes(folder / "wake"), read_clock=clock)
    stage = Stage("sqlite", str(folder / "jobs.db"), SqlStore(driver, logs), logs, clock)
    with _opened(stage):
        yield stage


@contextlib.contextmanager
def postgres_stage(dsn: str, make: type[PostgresDriver] = PostgresDriver) -> Iterator[Stage]:
    """Set a stage on the PostgreSQL database at ``dsn``, with a driver that ``make`` makes."""
    clock = StageClock()
    logs = PostgresLogs(dsn)
    driver = make(dsn, read_clock=clock)
    stage = Stage("postgres", dsn, SqlStore(driver, logs), logs, clock)
    with _opened(stage):
        yield stage


@contextlib.contextmanager
def _opened(stage: Stage) -> Iterator[None]:
    async def opened() -> None:
        await stage.logs.open()
        await stage.store.open()

    stage.do(opened())
    try:
        yield
    finally:
        stage.close()


def statuses(attempts: Sequence[Attempt]) -> list[str]:
    """List the statuses of attempts."""
    return [str(attempt.status) for attempt in attempts]

"""The store over any database: each promise is one transaction run by the database's driver."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from jobyard.spec.again import Which
from jobyard.store.base import JobQuery
from jobyard.store.intake import Intake
from jobyard.store.sql_datasets import SqlDatasets
from jobyard.store.sql_revisions import SqlRevisions
from jobyard.store.sql_tables import SqlTables
from jobyard.store.transactions import (
    apply,
    cleanup,
    control,
    counting,
    explain,
    find,
    leases,
    measuring,
    read,
    retry,
    settle,
)
from jobyard.store.transactions.deciding import read_now

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from jobyard.core.job import JobSpec
    from jobyard.core.records import (
        Attempt,
        Change,
        Crew,
        Job,
        LedgerPlace,
        LedgerRecord,
        Story,
        WorkerRecord,
    )
    from jobyard.core.state import Request
    from jobyard.store.base import (
        Applied,
        Decided,
        LogStore,
        Registration,
        Reports,
        Retention,
        Settled,
        Submission,
        Want,
    )
    from jobyard.store.measures import Gathered, Measures
    from jobyard.store.query import Driver

SLICE = 2000
"""Attempts, and ledger lines, that one transaction of the clean-up removes."""
SLICES = 10
"""Such transactions before the janitor sees to other things: a fraction of a second."""
RETAIN = 500
"""Jobs that one transaction of the clean-up deletes or sweeps."""


class SqlStore(SqlDatasets, SqlTables, SqlRevisions):
    """Keeps the promises of ``Store`` (base.py) with a driver's named queries."""

    def __init__(self, driver: Driver, logs: LogStore) -> None:
        """Speak to a database through ``driver``; ``logs`` loses a deleted job's output."""
        self._driver = driver
        self._logs = logs
        self._intake = Intake(driver)
        self._pruned: tuple[JobQuery, find.End] | None = None
        """Where the last slice of a prune was found: what comes before need not be read again."""
        self._roomy = True
        """Whether deletions may have left room that is not given back yet."""

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        await self._driver.open()

    async def close(self) -> None:
        """Let go of the database."""
        await self._intake.close()
        await self._driver.close()

    async def now(self) -> int:
        """Read the clock that decides."""
        return await self._driver.read(read_now)

    async def submit(self, submission: Submission) -> list[Job]:
        """Accept jobs, all or none, durably."""
        return await self._intake.submit(submission)

    async def job(self, job_id: int) -> Job:
        """Read one job."""
        return await self._driver.read(partial(read.job, job_id))

    async def jobs(self, query: JobQuery) -> list[Job]:
        """List jobs, newest first."""
        found: list[Job] = []
        position: int | None = find.LARGEST_ID if query.after is None else query.after
        size = query.limit
        while position is not None and len(found) < query.limit:
            rest = replace(query, limit=query.limit - len(found))
            jobs, position = await self._driver.read(partial(find.page, rest, position, size))
            found += jobs
            size = min(find.BATCH, 4 * max(size, find.PROBE))
        return found

    async def count(self, query: JobQuery) -> int:
        """Count the jobs that match."""
        if query == JobQuery(statuses=query.statuses, limit=query.limit):
            counts = await self._driver.read(counting.count_jobs)
            return sum(n for status, n in counts.items() if find.asked(query, status))
        total = 0
        position: int | None = find.LARGEST_ID if query.after is None else query.after
        while position is not None:
            step = partial(find.find, query, position, find.BATCH)
            job_ids, position = await self._driver.read(step)
            total += len(job_ids)
        return total

    async def attempts(
        self, job_id: int, *, after: int = 0, limit: int = 1000, index: int | None = None
    ) -> list[Attempt]:
        """List a job's attempts, oldest first."""
        return await self._driver.read(partial(read.attempts, job_id, after, limit, index))

    async def events(self, job_id: int, *, after: int = 0, limit: int = 1000) -> list[LedgerRecord]:
        """List a job's ledger, oldest first."""
        return await self._driver.read(partial(read.events, job_id, after, limit))

    async def crew(self, job_ids: Sequence[int]) -> Crew:
        """Read the workers, and what these jobs ask of one."""
        return await self._driver.read(partial(explain.crew, job_ids))

    async def story(self, job_id: int) -> Story:
        """Read all that says why a job is as it is."""
        return await self._driver.read(partial(explain.story, job_id))

    async def attempts_of_worker(
        self, worker_id: str, *, after: int = 0, limit: int = 1000
    ) -> list[Attempt]:
        """List what a live worker holds now, oldest first."""
        return await self._driver.read(partial(explain.attempts_of_worker, worker_id, after, limit))

    async def latest_attempts(
        self,
        job_id: int,
        *,
        before: int | None = None,
        limit: int = 1000,
        index: int | None = None,
    ) -> list[Attempt]:
        """List a job's attempts, newest first."""
        step = partial(read.latest_attempts, job_id, before, limit, index)
        return await self._driver.read(step)

    async def events_since(self, after: LedgerPlace, limit: int = 1000) -> list[Change]:
        """List the events of all jobs behind a place."""
        # Two reads, for the second has to see what was committed before the first answered.
        horizon = await self._driver.read(read.ledger_horizon)
        return await self._driver.read(partial(read.ledger_since, after, horizon, limit))

    async def last_place(self) -> LedgerPlace:
        """Tell the place from which on events are still to come."""
        horizon = await self._driver.read(read.ledger_horizon)
        return await self._driver.read(partial(read.ledger_end, horizon))

    async def ask(self, job_id: int, request: Request) -> Job:
        """Stop or cancel a job."""
        return self._hinted(*await self._driver.write(partial(control.ask, job_id, request)))

    async def suspend(self, job_id: int, *, suspend: bool) -> Job:
        """Suspend or resume a job."""
        change = partial(control.suspend, job_id, suspend=suspend)
        return self._hinted(*await self._driver.write(change))

    async def change(self, job_id: int, alter: Callable[[JobSpec, bool], JobSpec]) -> Job:
        """Read a job's spec, alter it and write it back."""
        change = partial(control.change, job_id, alter)
        return self._hinted(*await self._driver.write(change))

    async def retry(self, job_id: int, which: str, *, trigger: str = "api") -> Job:
        """Make a new job that runs a finished one again, or a part of it."""
        # What is over stays as it is, so what runs again can be found out beforehand.
        again = await self._driver.read(partial(retry.plan, job_id, Which(which)))
        make = partial(retry.retry, job_id, again, trigger)
        return self._hinted(*await self._driver.write(make, durable=True))

    async def apply(
        self, specs: Sequence[JobSpec], *, rerun: bool = False, trigger: str = "api"
    ) -> list[Applied]:
        """Make the newest jobs of these names be as the specs say, all or none."""
        step = partial(apply.apply, list(specs), trigger, rerun=rerun)
        applied, hint = await self._driver.write(step, durable=True)
        if hint:
            self._driver.hint()
        return applied

    def _hinted(self, job: Job, hint: bool) -> Job:
        if hint:
            self._driver.hint()
        return job

    async def decide(self, job_ids: Sequence[int]) -> Decided:
        """Decide on these jobs, as far as nobody else holds them."""
        decided, written = await self._driver.write(partial(control.decide, list(job_ids)))
        if written.hint:
            self._driver.hint()
        return decided

    async def decide_due(self, limit: int = 100) -> Decided:
        """Decide on jobs whose time has come or that have news nobody counted."""
        decided, written = await self._driver.write(partial(control.decide_due, limit))
        if written.hint:
            self._driver.hint()
        return decided

    async def register(self, registration: Registration) -> None:
        """Introduce a worker."""
        await self._driver.write(partial(leases.register, registration))

    async def renew(self, session: str, gathered: Gathered | None = None) -> WorkerRecord | None:
        """Renew a worker's lease."""
        return await self._driver.write(partial(leases.renew, session, gathered))

    async def measure(self) -> Measures:
        """Read the sums of the yard."""
        return await self._driver.read(measuring.measure)

    async def leave(self, session: str) -> None:
        """Say good-bye."""
        if await self._driver.write(partial(leases.leave, session)):
            self._driver.hint()

    async def workers(self) -> list[WorkerRecord]:
        """List workers whose lease runs."""
        return await self._driver.read(explain.workers)

    async def drain(self, worker_id: str, *, draining: bool) -> WorkerRecord:
        """Have a worker claim nothing new, or claim again."""
        record = await self._driver.write(partial(leases.drain, worker_id, draining=draining))
        self._driver.hint()
        return record

    async def expire_leases(self, *, unbroken: float) -> list[str]:
        """Take their attempts from workers whose lease ran out."""
        sessions = await self._driver.write(partial(leases.expire, unbroken))
        if sessions:
            self._driver.hint()
        return sessions

    async def settle(
        self,
        session: str,
        reports: Reports,
        want: Want | None,
        *,
        known: Container[int] = (),
        look_for_stops: bool = False,
    ) -> Settled:
        """Write down a worker's news, decide on its jobs, claim what fits."""
        step = partial(settle.settle, session, reports, want, known, look_for_stops=look_for_stops)
        settled = await self._driver.write(step)
        if settled.hinted:
            self._driver.hint()
        return settled

    async def held(self, session: str, *, known: Container[int] = ()) -> Settled:
        """Tell what a worker holds."""
        return await self._driver.write(partial(settle.held, session, known))

    async def delete(self, job_id: int) -> bool:
        """Delete a job that is over."""
        return await self._driver.write(partial(cleanup.delete, job_id))

    async def prune(self, query: JobQuery, limit: int = 1000) -> int:
        """Delete up to ``limit`` jobs that match and are over."""
        begun, self._pruned = self._pruned, None
        if begun is not None and begun[0] == query:
            # From where the last slice went; what was left before that is looked at in the end.
            deleted = await self._prune_from(query, limit, begun[1])
            if deleted:
                return deleted
        return await self._prune_from(query, limit, find.End())

    async def _prune_from(self, query: JobQuery, limit: int, start: find.End) -> int:
        """Delete the first jobs that match behind a place, and remember where that was."""
        position: find.End | None = start
        while position is not None:
            look = partial(find.find_over, query, position, max(limit, find.PROBE))
            job_ids, behind = await self._driver.read(look)
            if deleted := await self._driver.write(partial(cleanup.remove, job_ids[:limit])):
                self._pruned = (query, position)
                return deleted
            position = behind
        return 0

    async def retain(self, limits: Retention) -> int:
        """Delete some of the jobs that exceed the limits."""
        return await self._driver.write(partial(cleanup.retain, limits, RETAIN))

    async def delete_expired(self, limit: int = 100) -> int:
        """Delete jobs whose time to live has passed, and sweep."""
        deleted = await self._driver.write(partial(cleanup.delete_expired, limit))
        await self.sweep()
        return deleted

    async def sweep(self) -> bool:
        """Remove a bounded part of what deleted jobs left; tell whether there is more."""
        for _ in range(SLICES):
            left, swept = await self._driver.write(partial(cleanup.sweep, RETAIN, SLICE))
            if not left:
                return await self._reclaim()
            self._roomy = True
            if swept:
                await self._logs.delete(left)
                await self._driver.write(partial(cleanup.forget, left))
        return True

    async def _reclaim(self) -> bool:
        if self._roomy:
            self._roomy = await self._driver.reclaim() or await self._logs.reclaim()
        return self._roomy

    async def checkpoint(self, session: str, attempt_id: int, value: str) -> None:
        """Keep a program's checkpoint."""
        await self._driver.write(partial(leases.checkpoint, session, attempt_id, value))

    async def last_checkpoint(self, job_id: int, index: int | None) -> str | None:
        """Read the newest checkpoint of a job's index."""
        return await self._driver.read(partial(read.last_checkpoint, job_id, index))

    def hint(self) -> None:
        """Tell everyone who listens that something may be there to do."""
        self._driver.hint()

    async def listen(self, heard: Callable[[], None]) -> None:
        """Have ``heard`` called on hints."""
        await self._driver.listen(heard)

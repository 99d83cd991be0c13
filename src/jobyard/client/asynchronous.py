"""The client for programs that run an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from jobyard import clock
from jobyard.client import calls
from jobyard.client.absence import AsyncAbsence
from jobyard.client.async_datasets import AsyncDatasetCalls
from jobyard.client.async_output import AsyncOutput
from jobyard.client.async_tables import AsyncTableCalls
from jobyard.client.shapes import (
    AppliedJobs,
    Attempts,
    Events,
    Explanation,
    Job,
    Jobs,
    Progress,
    WholeEvent,
    WholeWorker,
    Worker,
    Workers,
)
from jobyard.core.states import TERMINAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from jobyard.client.calls import Document, Filters
    from jobyard.client.shapes import Applied, Attempt


class AsyncClient(AsyncOutput, AsyncDatasetCalls, AsyncTableCalls):
    """Speaks to a server; every error is one of ``jobyard.errors``.

    Use it as ``async with AsyncClient() as client``, or ``close`` it.
    """

    async def submit(
        self,
        document: Document,
        *,
        executor: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit one job and return it.

        ``executor`` runs it in place of what the document says.

        Raises:
            InvalidDocument: the document is wrong; all problems are in it.
            IdempotencyConflict: the key made a job from another spec.
        """
        call = calls.submission(document, executor=executor, idempotency_key=idempotency_key)
        return calls.only(calls.jobs_in(await self._ask(call, dict)))

    async def submit_all(self, document: Document, *, executor: str | None = None) -> list[Job]:
        """Submit all jobs of a document, all or none, and return them in its order."""
        call = calls.submission(document, executor=executor)
        return calls.jobs_in(await self._ask(call, dict))

    async def apply(
        self, document: Document, *, rerun: bool = False, executor: str | None = None
    ) -> list[Applied]:
        """Make the newest job of each name in a document be what it says there.

        The answer has an ``action`` (created, patched, unchanged) and the ``job`` for each.
        ``rerun`` makes a new job where the newest one is over and was the same.

        Raises:
            InvalidDocument: the document is wrong; all problems are in it.
            Conflict: a job that is not over would have to change in what cannot change.
        """
        call = calls.application(document, rerun=rerun, executor=executor)
        return (await self._ask(call, AppliedJobs))["jobs"]

    async def job(self, job_id: int) -> Job:
        """Read one job.

        Raises:
            JobNotFound: there is none of this id.
        """
        return await self._ask(calls.read(f"/jobs/{job_id}"), Job)

    async def jobs_page(
        self,
        *,
        status: str = "active",
        last_job_id: int | None = None,
        limit: int = 50,
        **filters: Unpack[Filters],
    ) -> Jobs:
        """Read one page: ``jobs``, newest first, and ``next_cursor`` unless it is the last."""
        call = calls.read("/jobs", status=status, last_job_id=last_job_id, limit=limit, **filters)
        return await self._ask(call, Jobs)

    async def jobs(
        self, *, status: str = "active", page_size: int = 500, **filters: Unpack[Filters]
    ) -> AsyncIterator[Job]:
        """Walk through all jobs of a filter, newest first."""
        cursor: int | None = None
        while True:
            page = await self.jobs_page(
                status=status, last_job_id=cursor, limit=page_size, **filters
            )
            for job in page["jobs"]:
                yield job
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    async def stop(self, job_id: int) -> Job:
        """Have a job stop; one that is over stays as it is."""
        return await self._ask(calls.change(f"/jobs/{job_id}/stop"), Job)

    async def cancel(self, job_id: int) -> Job:
        """Withdraw a job; one that is over stays as it is."""
        return await self._ask(calls.change(f"/jobs/{job_id}/cancel"), Job)

    async def suspend(self, job_id: int) -> Job:
        """Stop a job's attempts, uncounted, until it is resumed."""
        return await self._ask(calls.change(f"/jobs/{job_id}/suspend"), Job)

    async def resume(self, job_id: int) -> Job:
        """Let a suspended job go on."""
        return await self._ask(calls.change(f"/jobs/{job_id}/resume"), Job)

    async def patch(self, job_id: int, changes: Mapping[str, Any]) -> Job:
        """Change fields of a job that may change: those of the document, merged into it.

        Raises:
            InvalidDocument: a field has a value it cannot have, or may not change.
        """
        return await self._ask(calls.merge(f"/jobs/{job_id}", changes), Job)

    async def retry(self, job_id: int, *, indexes: str = "all") -> Job:
        """Make a new job of one that is over, and return the new one.

        ``indexes`` are those to do again: ``all``, ``failed`` or ``remaining``.

        Raises:
            Conflict: the job is not over.
        """
        call = calls.change(f"/jobs/{job_id}/retry", indexes=indexes)
        return await self._ask(call, Job)

    async def delete(self, job_id: int) -> None:
        """Delete a job that is over, with all that is kept of it; none is none.

        Raises:
            Conflict: the job is not over.
        """
        calls.told(await self._send(calls.removal(f"/jobs/{job_id}")))

    async def prune(
        self,
        *,
        status: str = "terminal",
        older_than: str | None = None,
        labels: Sequence[str] = (),
        name: str | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> int:
        """Delete all jobs that are over and match, and tell how many there were.

        ``older_than`` is a duration such as ``7d``, since the job's end; ``dry_run`` only counts.

        Raises:
            InvalidQueryParam: ``status`` names one in which a job is not over.
        """
        call = calls.removals(
            "/jobs",
            status=status,
            older_than=older_than,
            labels=labels,
            name=name,
            namespace=namespace,
            dry_run=dry_run or None,
        )
        return calls.counted(await self._send(call))

    async def explain(self, job_id: int) -> Explanation:
        """Read why a job is where it is, and what would help."""
        return await self._ask(calls.read(f"/jobs/{job_id}/explain"), Explanation)

    async def attempts_page(
        self, job_id: int, *, after: int = 0, limit: int = 1000, index: int | None = None
    ) -> Attempts:
        """Read one page: ``attempts``, oldest first, and ``next_cursor`` unless it is the last."""
        path = f"/jobs/{job_id}/attempts"
        return await self._ask(calls.read(path, after=after, limit=limit, index=index), Attempts)

    async def attempts(self, job_id: int, *, index: int | None = None) -> AsyncIterator[Attempt]:
        """Walk through a job's attempts, oldest first, lost ones included."""
        after: int | None = 0
        while after is not None:
            page = await self.attempts_page(job_id, after=after, index=index)
            for attempt in page["attempts"]:
                yield attempt
            after = page.get("next_cursor")

    async def events(self, job_id: int, *, after: int = 0, limit: int = 1000) -> Events:
        """Read a page of a job's ledger: ``events``, oldest first."""
        return await self._ask(
            calls.read(f"/jobs/{job_id}/events", after=after, limit=limit), Events
        )

    async def event(self, job_id: int, event_id: int) -> WholeEvent:
        """Read one line of a job's ledger, with its ``detail``.

        Raises:
            EventNotFound: the job has no such event.
        """
        return await self._ask(calls.read(f"/jobs/{job_id}/events/{event_id}"), WholeEvent)

    async def progress(self, job_id: int) -> Progress:
        """Read how far a job is."""
        return await self._ask(calls.read(f"/jobs/{job_id}/progress"), Progress)

    async def wait(self, job_id: int, *, within: float | None = None) -> Job:
        """Wait until a job is over and return it; a server that is started anew is waited for.

        Raises:
            TimeoutError: it was not within ``within`` seconds.
            ServerUnreachable: the server stays away.
        """
        deadline = None if within is None else clock.monotonic() + within
        absence = AsyncAbsence(deadline)
        pause = calls.FIRST_LOOK
        while True:
            job = await absence.ask(lambda: self.job(job_id))
            if job["status"] in TERMINAL:
                return job
            if deadline is not None and clock.monotonic() >= deadline:
                msg = f"job {job_id} is {job['status']} after {within:g}s"
                raise TimeoutError(msg)
            await clock.sleep(pause)
            pause = min(pause * 1.5, calls.SLOWEST_LOOK)

    async def workers(self) -> Workers:
        """List the workers whose lease runs, as ``workers``."""
        return await self._ask(calls.read("/workers"), Workers)

    async def worker(self, worker_id: str) -> WholeWorker:
        """Read one worker.

        Raises:
            WorkerNotFound: no live worker has this id.
        """
        return await self._ask(calls.read(calls.of_worker(worker_id)), WholeWorker)

    async def drain(self, worker_id: str, *, draining: bool = True) -> Worker:
        """Have a worker claim nothing new, or claim again."""
        verb = "drain" if draining else "resume"
        return await self._ask(calls.change(calls.of_worker(worker_id, verb)), Worker)

    async def metrics(self) -> str:
        """Read the server's measures, in the text format of Prometheus."""
        return calls.told(await self._send(calls.read("/metrics")))

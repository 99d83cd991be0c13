"""The desk: what people may ask of jobs and workers, answered in the shapes of ``wire``.

The HTTP routes answer from here, and so do commands that work on a state folder without a
server; it needs no web framework.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from jobyard import clock
from jobyard.api.logdesk import LogDesk
from jobyard.core.state import Request
from jobyard.errors import InvalidQueryParam, InvalidRequest, WorkerNotFound
from jobyard.spec.document import read
from jobyard.spec.load import load_documents
from jobyard.store.base import JobQuery, Submission
from jobyard.wire.jobs import attempt_object, event_object, job_object, worker_object
from jobyard.wire.progress import progress_object
from jobyard.wire.words import statuses

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from jobyard.core.job import JobSpec
    from jobyard.core.records import Job
    from jobyard.store.base import LogStore, Store

Syntax = Literal["auto", "json", "yaml"]
Object = dict[str, Any]

PAGE = 50
"""Jobs on a page if nobody says."""
MOST_JOBS = 1000
MOST_ROWS = 1000
"""Attempts or events on a page."""
LONGEST_KEY = 255
ASIDE = 64 * 1024
"""Bytes of a document from which on it is read beside the event loop."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a document: its jobs, in order."""

    jobs: list[Object]
    single: bool
    """Whether it was one job on its own, answered by the job itself."""


class Desk(LogDesk):
    """Takes requests for one store, whichever way they came."""

    def __init__(
        self,
        store: Store,
        logs: LogStore,
        *,
        executors: Collection[str],
        trigger: str = "api",
    ) -> None:
        """Serve ``store``; ``executors`` may be asked for, ``trigger`` says who asks."""
        super().__init__(store, logs)
        self._executors = executors
        self._trigger = trigger

    async def submit(
        self,
        document: bytes,
        *,
        syntax: Syntax = "auto",
        idempotency_key: str | None = None,
        executor: str | None = None,
    ) -> Submitted:
        """Accept the jobs of a document of any shape, all or none.

        ``executor`` runs them in place of what the document says; an image is then only kept.

        Raises:
            InvalidDocument: it is wrong; all problems are in it.
            TooLarge: it is larger than the limits allow.
            InvalidRequest: a key was given beside a document of several jobs, or beside another.
            IdempotencyConflict: the key made a job from another spec.
        """
        if len(document) >= ASIDE:
            specs, single = await asyncio.to_thread(self._read, document, syntax, executor)
        else:
            specs, single = self._read(document, syntax, executor)
        if idempotency_key is not None:
            specs = [_keyed(specs, idempotency_key)]
        jobs = await self.store.submit(Submission(specs, trigger=self._trigger))
        return Submitted([_shown(job) for job in jobs], single)

    def _read(
        self, document: bytes, syntax: Syntax, executor: str | None
    ) -> tuple[Sequence[JobSpec], bool]:
        documents = read(document, syntax=syntax)
        loaded = load_documents(
            documents, now=clock.now(), executor=executor, available=self._executors
        )
        return loaded.specs, len(documents) == 1 and _is_one_job(documents[0].value)

    async def jobs_page(
        self,
        *,
        status: str = "active",
        last_job_id: int | None = None,
        limit: int = PAGE,
        name: str | None = None,
        namespace: str | None = None,
    ) -> Object:
        """List jobs, newest first: ``jobs``, and ``next_cursor`` unless this is the last page.

        Raises:
            InvalidQueryParam: a status word is unknown, or the limit is out of bounds.
        """
        _bounded(limit, MOST_JOBS)
        query = JobQuery(
            statuses=statuses(status),
            name=name,
            namespace=namespace,
            after=last_job_id,
            limit=limit + 1,
        )
        found = await self.store.jobs(query)
        now = clock.now_us()
        page: Object = {"jobs": [job_object(job, now) for job in found[:limit]]}
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].id
        return page

    async def job(self, job_id: int) -> Object:
        """Read one job.

        Raises:
            JobNotFound: there is none of this id.
        """
        return _shown(await self.store.job(job_id))

    async def stop(self, job_id: int) -> Object:
        """Have a job stop; a job that is over stays as it is."""
        return _shown(await self.store.ask(job_id, Request.STOP))

    async def cancel(self, job_id: int) -> Object:
        """Withdraw a job; a job that is over stays as it is."""
        return _shown(await self.store.ask(job_id, Request.CANCEL))

    async def suspend(self, job_id: int) -> Object:
        """Stop a job's attempts, uncounted, until it is resumed.

        Raises:
            StateConflict: it is being stopped, or over.
        """
        return await self._suspend(job_id, suspend=True)

    async def resume(self, job_id: int) -> Object:
        """Let a suspended job go on.

        Raises:
            StateConflict: it is being stopped, or over.
        """
        return await self._suspend(job_id, suspend=False)

    async def _suspend(self, job_id: int, *, suspend: bool) -> Object:
        return _shown(await self.store.suspend(job_id, suspend=suspend))

    async def attempts_page(
        self,
        job_id: int,
        *,
        after: int = 0,
        limit: int = MOST_ROWS,
        index: int | None = None,
    ) -> Object:
        """List a job's attempts, oldest first: ``attempts``, and ``next_cursor`` if there are more.

        Raises:
            JobNotFound: there is no such job.
        """
        _bounded(limit, MOST_ROWS)
        found = await self.store.attempts(job_id, after=after, limit=limit + 1, index=index)
        if not found:
            await self.store.job(job_id)
        page: Object = {"attempts": [attempt_object(attempt) for attempt in found[:limit]]}
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].id
        return page

    async def events(self, job_id: int, *, after: int = 0, limit: int = MOST_ROWS) -> Object:
        """List a job's ledger, oldest first: ``events``, and ``next_cursor`` if there is more.

        Raises:
            JobNotFound: there is no such job.
        """
        _bounded(limit, MOST_ROWS)
        found = await self.store.events(job_id, after=after, limit=limit + 1)
        if not found:
            await self.store.job(job_id)
        page: Object = {
            "job_id": job_id,
            "events": [event_object(event) for event in found[:limit]],
        }
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].id
        return page

    async def progress(self, job_id: int) -> Object:
        """Tell how far a job is.

        Raises:
            JobNotFound: there is no such job.
        """
        return progress_object(await self.store.job(job_id))

    async def workers(self) -> Object:
        """List the workers whose lease runs."""
        now = await self.store.now()
        return {"workers": [worker_object(record, now) for record in await self.store.workers()]}

    async def worker(self, worker_id: str) -> Object:
        """Read one worker.

        Raises:
            WorkerNotFound: no live worker has this id.
        """
        for worker in (await self.workers())["workers"]:
            if worker["id"] == worker_id:
                found: Object = worker
                return found
        raise WorkerNotFound(worker_id)

    async def drain(self, worker_id: str, *, draining: bool = True) -> Object:
        """Have a worker claim nothing new, or claim again.

        Raises:
            WorkerNotFound: no live worker has this id.
        """
        record = await self.store.drain(worker_id, draining=draining)
        return worker_object(record, await self.store.now())


def _shown(job: Job) -> Object:
    return job_object(job, clock.now_us())


def _bounded(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise InvalidQueryParam(
            f"limit is {limit}", hint=f"it goes from 1 to {most}", parameter="limit"
        )


def _is_one_job(value: Any) -> bool:
    """Tell whether a document that was read without a problem is one job on its own."""
    if value.get("kind") == "List":
        return False
    return "kind" in value or value.keys().isdisjoint(("jobs", "builds", "services"))


def _keyed(specs: Sequence[JobSpec], key: str) -> JobSpec:
    """Give the one spec of a request the key that came beside it."""
    if len(specs) != 1:
        raise InvalidRequest(
            f"one idempotency key was given for {len(specs)} jobs",
            hint="give each job its own `idempotency_key` in the document",
        )
    if not 1 <= len(key) <= LONGEST_KEY:
        raise InvalidRequest(f"an idempotency key has 1 to {LONGEST_KEY} characters")
    if specs[0].idempotency_key not in (None, key):
        raise InvalidRequest(
            f"the key `{key}` was given beside a job with the key `{specs[0].idempotency_key}`"
        )
    return replace(specs[0], idempotency_key=key)

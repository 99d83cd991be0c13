"""The desk of jobs: hand in, apply, list, read, delete."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from jobyard import clock
from jobyard.api.desks.counter import Counter, Object
from jobyard.api.desks.filters import Filters, before, ended_statuses, query_of
from jobyard.errors import (
    InvalidQueryParam,
    InvalidQueryParameters,
    InvalidRequest,
    LimitInvalid,
    LimitTooLarge,
)
from jobyard.spec.document import read
from jobyard.spec.load import Purpose, load_documents
from jobyard.store.base import Submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobyard.core.job import JobSpec

Syntax = Literal["auto", "json", "yaml"]

PAGE = 50
"""Jobs on a page if nobody says."""
MOST_JOBS = 1000
LONGEST_KEY = 255
ASIDE = 64 * 1024
"""Bytes of a document from which on it is read beside the event loop."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a document: its jobs, in order."""

    jobs: list[Object]
    single: bool
    """Whether it was one job on its own, answered by the job itself."""


class JobDesk(Counter):
    """Takes documents in, and shows the jobs that there are."""

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
        specs, single = await self._specs(document, syntax, executor)
        if idempotency_key is not None:
            specs = [_keyed(specs, idempotency_key)]
        jobs = await self.store.submit(Submission(specs, trigger=self._trigger))
        return Submitted(await self._told(jobs), single)

    async def apply(
        self,
        document: bytes,
        *,
        syntax: Syntax = "auto",
        rerun: bool = False,
        executor: str | None = None,
    ) -> list[Object]:
        """Make the newest job of each name in a document be what it says there, all or none.

        The answer says for each what was done (``action``: created, patched, unchanged) and has
        the ``job``. ``rerun`` makes a new job where the newest one is the same and over.

        Raises:
            InvalidDocument: it is wrong; all problems are in it.
            TooLarge: it is larger than the limits allow.
            ApplyConflict: jobs that are not over differ in what cannot change.
            StateConflict: a job that is stopping would have to be suspended or resumed.
        """
        specs, _ = await self._specs(document, syntax, executor, Purpose.APPLY)
        applied = await self.store.apply(specs, rerun=rerun, trigger=self._trigger)
        shown = await self._told([one.job for one in applied])
        return [{"action": one.action, "job": job} for one, job in zip(applied, shown, strict=True)]

    async def _specs(
        self,
        document: bytes,
        syntax: Syntax,
        executor: str | None,
        purpose: Purpose = Purpose.SUBMIT,
    ) -> tuple[Sequence[JobSpec], bool]:
        """Read a document; a large one beside the event loop."""
        if len(document) >= ASIDE:
            return await asyncio.to_thread(self._read, document, syntax, executor, purpose)
        return self._read(document, syntax, executor, purpose)

    def _read(
        self, document: bytes, syntax: Syntax, executor: str | None, purpose: Purpose
    ) -> tuple[Sequence[JobSpec], bool]:
        documents = read(document, syntax=syntax, limits=self.limits)
        loaded = load_documents(
            documents,
            now=clock.now(),
            executor=executor,
            available=self._executors,
            limits=self.limits,
            purpose=purpose,
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
        labels: Sequence[str] = (),
        trigger: str | None = None,
        worker_id: str | None = None,
        workflow_id: int | None = None,
        dataset: str | None = None,
        created_after: str | None = None,
    ) -> Object:
        """List jobs, newest first: ``jobs``, and ``next_cursor`` unless this is the last page.

        A label is `key=value` or `key!=value`, ``dataset`` is `namespace/name`, and a
        ``worker_id`` may end in `*`. ``created_after`` is RFC 3339 text.

        Raises:
            InvalidQueryParameters: a filter is not understood.
            LimitInvalid: the limit is below one.
            LimitTooLarge: the limit is above the largest.
        """
        if limit < 1:
            raise LimitInvalid(limit, MOST_JOBS)
        if limit > MOST_JOBS:
            raise LimitTooLarge(limit, MOST_JOBS)
        filters = Filters(
            status, name, namespace, labels, trigger, worker_id, workflow_id, dataset, created_after
        )
        query = query_of(filters, InvalidQueryParameters)
        found = await self.store.jobs(replace(query, after=last_job_id, limit=limit + 1))
        page: Object = {"jobs": await self._told(found[:limit])}
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].id
        return page

    async def job(self, job_id: int) -> Object:
        """Read one job.

        Raises:
            JobNotFound: there is none of this id.
        """
        return await self._shown(await self.store.job(job_id))

    async def delete(self, job_id: int) -> None:
        """Delete a job that is over; one that is not there is deleted already.

        Raises:
            JobConflict: it is not over.
        """
        await self.store.delete(job_id)

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

        ``older_than`` counts from the end, such as `7d`; ``dry_run`` only counts the jobs.

        Raises:
            InvalidQueryParam: a filter is not understood, or means jobs that are not over.
        """
        filters = Filters("all", name, namespace, labels)
        query = replace(
            query_of(filters, InvalidQueryParam),
            statuses=ended_statuses(status),
            finished_before=before(older_than, await self.store.now()),
        )
        if dry_run:
            return await self.store.count(query)
        deleted = 0
        while gone := await self.store.prune(query):
            deleted += gone
        return deleted


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

"""The desk of a job's story: attempts, ledger, progress, and why it is as it is."""

from __future__ import annotations

from jobyard import clock
from jobyard.api.desks.counter import MOST_ROWS, Counter, Object, bounded
from jobyard.errors import EventNotFound
from jobyard.wire.explanation import explanation_object
from jobyard.wire.extraction import MOST_GAPS, wanted_of
from jobyard.wire.jobs import attempt_object, event_object, whole_event_object
from jobyard.wire.progress import progress_object


class StoryDesk(Counter):
    """Tells what became of a job so far."""

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
        bounded(limit, MOST_ROWS)
        await self.store.job(job_id)
        found = await self.store.attempts(job_id, after=after, limit=limit + 1, index=index)
        page: Object = {"attempts": [attempt_object(attempt) for attempt in found[:limit]]}
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].id
        return page

    async def events(self, job_id: int, *, after: int = 0, limit: int = MOST_ROWS) -> Object:
        """List a job's ledger, oldest first: ``events``, and ``next_cursor`` if there is more.

        Raises:
            JobNotFound: there is no such job.
        """
        bounded(limit, MOST_ROWS)
        # What a deleted job left may still be there: nobody is to see it.
        await self.store.job(job_id)
        found = await self.store.events(job_id, after=after, limit=limit + 1)
        page: Object = {
            "job_id": job_id,
            "events": [event_object(event) for event in found[:limit]],
        }
        if len(found) > limit:
            page["next_cursor"] = found[limit - 1].id
        return page

    async def event(self, job_id: int, event_id: int) -> Object:
        """Read one line of a job's ledger, with its ``detail``.

        Raises:
            JobNotFound: there is no such job.
            EventNotFound: the job has no event of this id.
        """
        job = await self.store.job(job_id)
        found = await self.store.events(job_id, after=event_id - 1, limit=1)
        if not found or found[0].id != event_id:
            raise EventNotFound(job_id, event_id)
        return whole_event_object(found[0], job)

    async def progress(self, job_id: int) -> Object:
        """Tell how far a job is, how fast it gets on, and when it may be done.

        Raises:
            JobNotFound: there is no such job.
        """
        job = await self.store.job(job_id)
        extraction = await self.store.extraction(job_id)
        if extraction is None:
            return progress_object(job, clock.now_us())
        gaps = await self.store.gaps(job_id, wanted_of(job, extraction.stop), MOST_GAPS)
        return progress_object(job, clock.now_us(), extraction, gaps)

    async def explain(self, job_id: int) -> Object:
        """Say why a job waits, goes on or ended, and what helps.

        Raises:
            JobNotFound: there is no such job.
        """
        return explanation_object(await self.store.story(job_id), clock.now_us())

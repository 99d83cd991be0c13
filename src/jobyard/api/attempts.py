"""The routes of what belongs to a job: its attempts and its ledger."""

from __future__ import annotations

from fastapi import APIRouter, Response

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.desks.counter import MOST_ROWS
from jobyard.api.parameters import After, EventId, Index, JobId, Rows
from jobyard.api.shapes import answers


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["attempts"])

    @router.get("/jobs/{job_id}/attempts", responses=answers("Attempts", 400, 404))
    async def list_attempts(
        job_id: JobId, after: After = 0, limit: Rows = MOST_ROWS, index: Index = None
    ) -> Response:
        """List a job's attempts, oldest first, lost ones included."""
        return answer(await desk.attempts_page(job_id, after=after, limit=limit, index=index))

    @router.get("/jobs/{job_id}/events", responses=answers("Events", 400, 404))
    async def list_events(job_id: JobId, after: After = 0, limit: Rows = MOST_ROWS) -> Response:
        """List a job's ledger, oldest first."""
        return answer(await desk.events(job_id, after=after, limit=limit))

    @router.get("/jobs/{job_id}/events/{event_id}", responses=answers("WholeEvent", 400, 404))
    async def read_event(job_id: JobId, event_id: EventId) -> Response:
        """Read one line of a job's ledger, with its detail."""
        return answer(await desk.event(job_id, event_id))

    @router.get("/jobs/{job_id}/explain", responses=answers("Explanation", 400, 404))
    async def explain_job(job_id: JobId) -> Response:
        """Say why a job waits, goes on or ended, and which commands help."""
        return answer(await desk.explain(job_id))

    return router

"""The routes of what belongs to a job: its attempts and its ledger."""

from __future__ import annotations

from fastapi import APIRouter, Response

from jobyard.api.answers import answer
from jobyard.api.desk import MOST_ROWS, Desk
from jobyard.api.parameters import After, Index, JobId, Rows
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

    return router

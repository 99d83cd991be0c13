"""The routes of what belongs to a job: its attempts, its ledger, what its programs printed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.desks.counter import MOST_ROWS
from jobyard.api.output import MOST_STRETCH
from jobyard.api.parameters import LARGEST_ID, After, EventId, Index, JobId, Rows
from jobyard.api.shapes import answers
from jobyard.errors import InvalidQueryParam

NEXT_OFFSET = "Jobyard-Next-Offset"
"""The header that says where the next stretch of an attempt's output begins."""
TEXT = "text/plain; charset=utf-8"


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

    _add_logs(router, desk)
    return router


def _add_logs(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/jobs/{job_id}/logs", response_class=StreamingResponse, responses=_bytes_or_problems()
    )
    async def read_logs(
        job_id: JobId,
        attempt: Annotated[
            int | None, Query(ge=1, le=2**31 - 1, description="Only attempts of this number.")
        ] = None,
        attempt_id: Annotated[
            int | None, Query(ge=1, le=LARGEST_ID, description="Only the attempt of this id.")
        ] = None,
        index: Index = None,
        stream: Annotated[
            Literal["stdout", "stderr"] | None, Query(description="Only this stream.")
        ] = None,
        offset: Annotated[
            int | None,
            Query(ge=0, le=LARGEST_ID, description="Bytes of the attempt to pass over."),
        ] = None,
        limit: Annotated[
            int | None,
            Query(ge=1, le=MOST_STRETCH, description="Bytes of the attempt to look at."),
        ] = None,
    ) -> Response:
        """Read what a job's programs printed, byte for byte, attempt after attempt.

        With `offset` or `limit` it is a stretch of the one attempt that `attempt_id` names, and
        the header `Jobyard-Next-Offset` says where the next stretch begins.
        """
        if offset is None and limit is None:
            pieces = await desk.open_logs(
                job_id, attempt=attempt, attempt_id=attempt_id, index=index, stream=stream
            )
            return StreamingResponse(pieces, media_type=TEXT)
        if attempt_id is None:
            raise InvalidQueryParam(
                "offset and limit count bytes of one attempt", hint="name it with attempt_id"
            )
        part = await desk.log_stretch(
            job_id, attempt_id, offset=offset or 0, limit=limit or MOST_STRETCH, stream=stream
        )
        return Response(part.data, headers={NEXT_OFFSET: str(part.next_offset)}, media_type=TEXT)


def _bytes_or_problems() -> dict[int | str, Any]:
    described = answers({}, 400, 404)
    described[200] = {
        "description": "The bytes.",
        "headers": {NEXT_OFFSET: {"schema": {"type": "integer"}}},
        "content": {"text/plain": {"schema": {"type": "string", "format": "binary"}}},
    }
    return described

"""The routes of jobs: submit, list, read; stop, cancel, suspend, resume."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.desks.jobs import PAGE, Syntax
from jobyard.api.parameters import LARGEST_ID, JobId, Limit
from jobyard.api.shapes import answers, either
from jobyard.errors import InvalidRequest, TooLarge

MOST_BODY = 64 * 1024 * 1024
"""Bytes of the largest document."""

_SYNTAX: dict[str, Syntax] = {
    "application/json": "json",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "text/x-yaml": "yaml",
}
_ANY_DOCUMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A job object, a document with `jobs:`, or a Kubernetes Job or List.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["jobs"])

    @router.post(
        "/jobs",
        status_code=201,
        responses=answers(either("Job", "Jobs"), 400, 409, 413, status=201),
        openapi_extra=_ANY_DOCUMENT,
    )
    async def submit_jobs(
        request: Request,
        idempotency_key: Annotated[
            str | None,
            Header(description="The same key with the same job answers with the job it made."),
        ] = None,
        executor: Annotated[
            str | None,
            Query(description="Runs every job in place of what it asks for: `process`, `fake`."),
        ] = None,
    ) -> Response:
        """Submit one job, or all jobs of a document."""
        submitted = await desk.submit(
            await _body(request),
            syntax=_syntax(request),
            idempotency_key=idempotency_key,
            executor=executor,
        )
        if not submitted.single:
            return answer({"jobs": submitted.jobs}, 201)
        job = submitted.jobs[0]
        return answer(job, 201, {"Location": f"/jobs/{job['id']}"})

    @router.get("/jobs", responses=answers("Jobs", 400))
    async def list_jobs(
        status: Annotated[
            str,
            Query(description="active, all, terminal, error, or statuses with commas between."),
        ] = "active",
        limit: Limit = PAGE,
        last_job_id: Annotated[
            int | None, Query(ge=1, le=LARGEST_ID, description="The last page's `next_cursor`.")
        ] = None,
        name: Annotated[str | None, Query(description="Only jobs called so.")] = None,
        namespace: Annotated[str | None, Query(description="Only jobs of this namespace.")] = None,
    ) -> Response:
        """List jobs, newest first."""
        return answer(
            await desk.jobs_page(
                status=status,
                last_job_id=last_job_id,
                limit=limit,
                name=name,
                namespace=namespace,
            )
        )

    @router.get("/jobs/{job_id}", responses=answers("Job", 400, 404))
    async def read_job(job_id: JobId) -> Response:
        """Read one job."""
        return answer(await desk.job(job_id))

    @router.get("/jobs/{job_id}/progress", responses=answers("Progress", 400, 404))
    async def read_progress(job_id: JobId) -> Response:
        """Tell how far a job is."""
        return answer(await desk.progress(job_id))

    _add_verbs(router, desk)
    return router


def _add_verbs(router: APIRouter, desk: Desk) -> None:
    @router.put("/jobs/{job_id}/stop", responses=answers("Job", 400, 404))
    async def stop_job(job_id: JobId) -> Response:
        """Have a job stop, letting its programs finish what they have in hand; idempotent."""
        return answer(await desk.stop(job_id))

    @router.put("/jobs/{job_id}/cancel", responses=answers("Job", 400, 404))
    async def cancel_job(job_id: JobId) -> Response:
        """Withdraw a job; idempotent."""
        return answer(await desk.cancel(job_id))

    @router.put("/jobs/{job_id}/suspend", responses=answers("Job", 400, 404, 409))
    async def suspend_job(job_id: JobId) -> Response:
        """Stop a job's attempts, uncounted, until it is resumed; idempotent."""
        return answer(await desk.suspend(job_id))

    @router.put("/jobs/{job_id}/resume", responses=answers("Job", 400, 404, 409))
    async def resume_job(job_id: JobId) -> Response:
        """Let a suspended job go on; idempotent."""
        return answer(await desk.resume(job_id))


def _syntax(request: Request) -> Syntax:
    """Tell from its content type how a body is written; whatever else it says, we look."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _SYNTAX.get(media_type, "auto")


async def _body(request: Request) -> bytes:
    """Read a body, no further than the limit.

    Raises:
        InvalidRequest: it is compressed.
        TooLarge: it has more bytes than the limit.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidRequest("the body is compressed", hint="send it as it is")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MOST_BODY:
        raise _too_large()
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            raise _too_large()
    return bytes(body)


def _too_large() -> TooLarge:
    return TooLarge(
        f"the body has more than {MOST_BODY:,} bytes", hint="submit it in parts", limit=MOST_BODY
    )

"""The routes of jobs: submit, list, read; stop, cancel, suspend, resume."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response

from jobyard.api.answers import answer
from jobyard.api.desk import Desk
from jobyard.api.desks.jobs import PAGE
from jobyard.api.documents import ANY_DOCUMENT, CHANGES, body_of, one_mapping, syntax_of
from jobyard.api.parameters import LARGEST_ID, Executor, JobId, Labels, Limit, Name, Namespace
from jobyard.api.shapes import answers, either, nothing

DELETED_COUNT = "Jobyard-Deleted-Count"
"""The header that says how many jobs were deleted, or would be."""
_COUNT_HEADER = {"schema": {"type": "integer", "minimum": 0}, "description": "How many jobs."}


def routes(desk: Desk) -> APIRouter:
    """Make the routes that lead to ``desk``."""
    router = APIRouter(tags=["jobs"])

    @router.post(
        "/jobs",
        status_code=201,
        responses=answers(either("Job", "Jobs"), 400, 408, 409, 413, status=201),
        openapi_extra=ANY_DOCUMENT,
    )
    async def submit_jobs(
        request: Request,
        idempotency_key: Annotated[
            str | None,
            Header(description="The same key with the same job answers with the job it made."),
        ] = None,
        executor: Executor = None,
    ) -> Response:
        """Submit one job, or all jobs of a document."""
        submitted = await desk.submit(
            await body_of(request, desk.limits.size),
            syntax=syntax_of(request),
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
        name: Name = None,
        namespace: Namespace = None,
        label: Labels = (),
        trigger: Annotated[
            str | None, Query(description="Only jobs that this made: api, cli, run, workflow.")
        ] = None,
        worker_id: Annotated[
            str | None,
            Query(description="Only jobs of this worker; `abc*` is a beginning."),
        ] = None,
        workflow_id: Annotated[
            int | None, Query(ge=1, le=LARGEST_ID, description="Only jobs of this workflow.")
        ] = None,
        dataset: Annotated[
            str | None, Query(description="Only jobs of this dataset, `namespace/name`.")
        ] = None,
        created_after: Annotated[
            str | None,
            Query(
                description="Only jobs made after this time, RFC 3339 with a zone.",
                json_schema_extra={"format": "date-time"},
            ),
        ] = None,
    ) -> Response:
        """List jobs, newest first; all filters hold at once."""
        return answer(
            await desk.jobs_page(
                status=status,
                last_job_id=last_job_id,
                limit=limit,
                name=name,
                namespace=namespace,
                labels=label,
                trigger=trigger,
                worker_id=worker_id,
                workflow_id=workflow_id,
                dataset=dataset,
                created_after=created_after,
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

    _add_changes(router, desk)
    _add_deletions(router, desk)
    _add_verbs(router, desk)
    return router


def _add_changes(router: APIRouter, desk: Desk) -> None:
    @router.post(
        "/apply",
        responses=answers("AppliedJobs", 400, 408, 409, 413),
        openapi_extra=ANY_DOCUMENT,
    )
    async def apply_jobs(
        request: Request,
        rerun: Annotated[
            bool, Query(description="Make a new job where the newest one is the same and over.")
        ] = False,
        executor: Executor = None,
    ) -> Response:
        """Make the newest job of each name in a document be what it says there."""
        document = await body_of(request, desk.limits.size)
        applied = await desk.apply(
            document, syntax=syntax_of(request), rerun=rerun, executor=executor
        )
        return answer({"jobs": applied})

    @router.patch(
        "/jobs/{job_id}",
        responses=answers("Job", 400, 404, 408, 409, 413),
        openapi_extra=CHANGES,
    )
    async def patch_job(job_id: JobId, request: Request) -> Response:
        """Change fields of a job that may change; null removes a deadline, a ttl or a limit."""
        body = await body_of(request, desk.limits.size)
        changes = one_mapping(body, syntax_of(request), desk.limits)
        return answer(await desk.patch(job_id, changes))

    @router.put(
        "/jobs/{job_id}/retry", status_code=201, responses=answers("Job", 400, 404, 409, status=201)
    )
    async def retry_job(
        job_id: JobId,
        indexes: Annotated[
            Literal["all", "failed", "remaining"], Query(description="What of it runs again.")
        ] = "all",
    ) -> Response:
        """Make a new job that runs one that is over again."""
        job = await desk.retry(job_id, indexes)
        return answer(job, 201, {"Location": f"/jobs/{job['id']}"})


def _add_deletions(router: APIRouter, desk: Desk) -> None:
    @router.delete("/jobs/{job_id}", status_code=204, responses=nothing(400, 409))
    async def delete_job(job_id: JobId) -> Response:
        """Delete a job that is over; one that is not there is deleted already."""
        await desk.delete(job_id)
        return Response(status_code=204)

    @router.delete(
        "/jobs", status_code=204, responses=nothing(400, headers={DELETED_COUNT: _COUNT_HEADER})
    )
    async def prune_jobs(
        status: Annotated[
            str, Query(description="Which jobs: terminal, completed, failed, stopped, canceled.")
        ],
        older_than: Annotated[
            str | None,
            Query(
                description="Only jobs that ended longer ago than this.",
                examples=["7d", "1h30m", "90s"],
            ),
        ] = None,
        name: Name = None,
        namespace: Namespace = None,
        label: Labels = (),
        dry_run: Annotated[bool, Query(description="Only count them.")] = False,
    ) -> Response:
        """Delete all jobs that are over and match; a header says how many there were."""
        count = await desk.prune(
            status=status,
            older_than=older_than,
            labels=label,
            name=name,
            namespace=namespace,
            dry_run=dry_run,
        )
        return Response(status_code=204, headers={DELETED_COUNT: str(count)})


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

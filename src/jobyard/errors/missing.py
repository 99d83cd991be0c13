"""What is asked for by name or id and is not there."""

from __future__ import annotations

from jobyard.errors.root import ExitCode, JobyardError


class NotFound(JobyardError):
    """Something that is asked for by name or id and is not there."""

    slug = "not-found"
    title = "Not found"
    status = 404
    code = "NOT_FOUND"
    exit_code = ExitCode.NOT_FOUND


class JobNotFound(NotFound):
    """No job has this id."""

    slug = "job-not-found"
    title = "No such job"
    code = "JOB_NOT_FOUND"

    def __init__(self, job_id: int, detail: str | None = None) -> None:
        """Name the id; ``detail`` tells more about why there is no such job."""
        super().__init__(
            detail or f"no job has the id {job_id}",
            hint="`jobyard job list --status all` shows all jobs",
            job_id=job_id,
        )


class AttemptNotFound(NotFound):
    """No attempt has this id."""

    slug = "attempt-not-found"
    title = "No such attempt"
    code = "ATTEMPT_NOT_FOUND"

    def __init__(self, attempt_id: int | None = None, detail: str | None = None) -> None:
        """Name the id, or say in ``detail`` which attempt was looked for otherwise."""
        super().__init__(detail or f"no attempt has the id {attempt_id}", attempt_id=attempt_id)


class EventNotFound(NotFound):
    """The job has no event of this id."""

    slug = "event-not-found"
    title = "No such event"
    code = "EVENT_NOT_FOUND"

    def __init__(self, job_id: int, event_id: int) -> None:
        """Name both ids."""
        super().__init__(
            f"job {job_id} has no event with the id {event_id}",
            hint=f"`jobyard job events {job_id}` shows all of them",
            job_id=job_id,
            event_id=event_id,
        )


class WorkerNotFound(NotFound):
    """No worker has this id."""

    slug = "worker-not-found"
    title = "No such worker"
    code = "WORKER_NOT_FOUND"

    def __init__(self, worker_id: str) -> None:
        """Name the id."""
        super().__init__(
            f"no worker has the id `{worker_id}`",
            hint="`jobyard worker list` shows all workers",
            worker_id=worker_id,
        )

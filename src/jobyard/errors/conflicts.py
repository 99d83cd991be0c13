"""Requests that are understood, but at odds with what is."""

from __future__ import annotations

from typing import Any

from jobyard.errors.root import ExitCode, JobyardError


class Conflict(JobyardError):
    """Understood, but at odds with what is."""

    slug = "conflict"
    title = "Conflict"
    status = 409
    code = "CONFLICT"
    exit_code = ExitCode.CONFLICT


class StateConflict(Conflict):
    """The thing is not in a status that allows this."""

    slug = "state-conflict"
    title = "Not possible in this status"
    code = "STATE_CONFLICT"

    def __init__(self, what: str, *, expected: tuple[str, ...], actual: str) -> None:
        """Say what was tried, which statuses allow it and which one it found."""
        super().__init__(
            f"{what} is not possible while {actual}",
            hint=f"possible in {', '.join(expected)}" if expected else None,
            expected=list(expected),
            actual=actual,
        )


class JobConflict(Conflict):
    """Only a job that is over can be deleted."""

    slug = "job-conflict"
    title = "The job is not over"
    code = "JOB_CONFLICT"

    def __init__(self, job_id: int, actual: str) -> None:
        """Name the job and its status."""
        super().__init__(
            f"job {job_id} is {actual}, and only a job that is over can be deleted",
            hint=f"`jobyard job cancel {job_id}` ends it; then delete it",
            job_id=job_id,
            actual=actual,
        )


class LeaseLost(Conflict):
    """The speaker no longer speaks for this attempt: its lease ran out or its job moved on."""

    slug = "lease-lost"
    title = "The lease is lost"
    code = "LEASE_LOST"


class IdempotencyConflict(Conflict):
    """The same idempotency key came with another request."""

    slug = "idempotency-conflict"
    title = "The idempotency key was used for another request"
    code = "IDEMPOTENCY_CONFLICT"

    def __init__(self, key: str, job_id: int) -> None:
        """Name the key and the job that it made."""
        super().__init__(
            f"the idempotency key `{key}` already made job {job_id} from another spec",
            hint="use a new key for a new request",
            key=key,
            job_id=job_id,
        )


class ApplyConflict(Conflict):
    """Documents that differ from active jobs of their names in fields that cannot change."""

    slug = "apply-conflict"
    title = "An active job differs in what cannot change"
    code = "APPLY_CONFLICT"

    def __init__(self, conflicts: list[dict[str, Any]]) -> None:
        """Name each job: ``job_id``, ``name``, ``namespace``, ``job_status`` and ``fields``."""
        told = "; ".join(
            f"job {one['job_id']} `{one['name']}` is {one['job_status']} and differs in "
            f"{', '.join(one['fields'])}"
            for one in conflicts
        )
        first = conflicts[0]["job_id"]
        super().__init__(
            f"{told}, which cannot change",
            hint=f"wait until it is over or `jobyard job cancel {first}` it, then apply again; "
            "`jobyard submit` makes another job beside it",
            conflicts=conflicts,
        )


class NothingToRetry(Conflict):
    """Nothing of a finished job is left to run again, or nobody can tell what."""

    slug = "nothing-to-retry"
    title = "Nothing to run again"
    code = "NOTHING_TO_RETRY"

    def __init__(
        self, job_id: int, which: str, detail: str | None = None, *, hint: str | None = None
    ) -> None:
        """Name the job and what of it was asked for; ``detail`` tells more about why not."""
        failed = which == "failed"
        of_it = "failed" if failed else "is left to complete"
        others = "`--indexes remaining` runs what did not succeed, " if failed else ""
        super().__init__(
            detail or f"nothing of job {job_id} {of_it}",
            hint=hint or f"{others}`--indexes all` runs all of it again",
            job_id=job_id,
            indexes=str(which),
        )


class WorkerIdTaken(Conflict):
    """Another live worker has this id."""

    slug = "worker-id-taken"
    title = "The worker id is taken"
    code = "WORKER_ID_TAKEN"

    def __init__(self, worker_id: str) -> None:
        """Name the id."""
        super().__init__(
            f"a live worker already has the id `{worker_id}`",
            hint="leave out --id to get one of its own, or stop the other worker first",
            worker_id=worker_id,
        )

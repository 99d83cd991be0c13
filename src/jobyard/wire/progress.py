"""How far a job is, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobyard.core.states import JobStatus

if TYPE_CHECKING:
    from jobyard.core.records import Job


def progress_object(job: Job) -> dict[str, Any]:
    """Write a job's progress; ``tables`` is filled by jobs that extract, and empty otherwise."""
    state = job.state
    written: dict[str, Any] = {
        "job_id": state.id,
        "job_status": state.status,
        "tables": {},
        "completions": {
            "total": state.policy.total,
            "succeeded": state.succeeded,
            "active": state.active,
            "failed": state.failed,
        },
    }
    if state.status is JobStatus.FAILED:
        written["detail"] = {"reason": state.reason, "message": state.message}
    return written

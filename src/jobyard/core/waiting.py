"""Why a job does not run now, in a person's words, as far as the job itself can tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jobyard.core.states import JobStatus

if TYPE_CHECKING:
    from jobyard.core.state import JobState

_OF_ITS_ATTEMPTS = {
    JobStatus.SCHEDULED: "waits for a worker",
    JobStatus.QUEUED: "a worker is starting it",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def waiting_reason(job: JobState, now: int) -> str | None:
    """Say what ``job`` waits for; None when it runs, is ending, or is over.

    Whether a worker would fit is not known here: whoever knows says it instead of
    "waits for a worker".
    """
    if job.outcome is not None or job.request is not None or job.terminal:
        return None
    if job.policy.suspend:
        return "suspended"
    if job.status is JobStatus.PENDING:
        return _before_it_is_due(job, now)
    if job.active:
        return _OF_ITS_ATTEMPTS.get(job.status)
    return _without_attempts(job, now)


def _without_attempts(job: JobState, now: int) -> str:
    if job.policy.parallelism == 0:
        return "paused: its parallelism is 0"
    if job.retry_at is not None and job.retry_at > now:
        return f"retries at {_told(job.retry_at)} (back-off)"
    if job.terminating:
        return f"waits for {_number(job.terminating, 'attempt')} to end"
    return "waits for a worker"


def _before_it_is_due(job: JobState, now: int) -> str:
    if job.waiting_on:
        return f"waits for {_number(job.waiting_on, 'job')}"
    if job.scheduled_at is not None and job.scheduled_at > now:
        return f"not due before {_told(job.scheduled_at)}"
    return "waits for its first decision"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _told(at: int) -> str:
    """Write a time as people read it: UTC, to the second."""
    moment = _EPOCH + timedelta(microseconds=at)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

"""A job's state in Kubernetes' words: the conditions that its tools look for (B.15)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from jobyard.core.states import JobStatus

if TYPE_CHECKING:
    from jobyard.core.state import JobState


class ConditionType(StrEnum):
    """The conditions of a Job: one that comes and goes, two that announce an end, two ends."""

    SUSPENDED = "Suspended"
    SUCCESS_CRITERIA_MET = "SuccessCriteriaMet"
    FAILURE_TARGET = "FailureTarget"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class JobCondition:
    """One condition that is True; ``at`` is when it became so, None where nobody wrote it down."""

    type: ConditionType
    reason: str
    message: str | None = None
    at: int | None = None


def conditions(job: JobState) -> tuple[JobCondition, ...]:
    """Name the conditions that are True, in the order in which they came.

    Derived, so that they cannot be duplicated, set by hand or disagree with the status. A
    condition that is not True is left out. Kubernetes knows no stop: STOPPED and CANCELED are
    Failed there, with our reason.
    """
    if job.outcome is None:
        if not job.policy.suspend:
            return ()
        return (JobCondition(ConditionType.SUSPENDED, "JobSuspended", "the job is suspended"),)
    if job.outcome is JobStatus.COMPLETED:
        interim, end = ConditionType.SUCCESS_CRITERIA_MET, ConditionType.COMPLETE
    else:
        interim, end = ConditionType.FAILURE_TARGET, ConditionType.FAILED
    reason = job.reason or str(job.outcome)
    announced = JobCondition(interim, reason, job.message, job.outcome_at)
    if not job.terminal:
        return (announced,)
    return announced, JobCondition(end, reason, job.message, job.finished_at)

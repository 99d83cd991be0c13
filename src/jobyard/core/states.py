"""The one table of legal moves: which status a job or an attempt may leave, on which event."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """The ten statuses of a job (docs/concepts/statuses.md)."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    STOP_REQUESTED = "STOP_REQUESTED"
    STOPPING = "STOPPING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    CANCELED = "CANCELED"


class AttemptStatus(StrEnum):
    """The seven statuses of an attempt."""

    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    LOST = "LOST"


class Event(StrEnum):
    """What can happen to a job; the ledger names each of its lines with one of these."""

    CREATED = "created"
    DUE = "due"
    CLAIMED = "claimed"
    HANDED_BACK = "handed_back"
    STARTED = "started"
    SUSPENDED = "suspended"
    STOP_ASKED = "stop_asked"
    STOP_SEEN = "stop_seen"
    CHANGED = "changed"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    CANCELED = "canceled"


_S = JobStatus

ACTIVE = (_S.PENDING, _S.SCHEDULED, _S.QUEUED, _S.RUNNING, _S.STOP_REQUESTED, _S.STOPPING)
TERMINAL = (_S.COMPLETED, _S.FAILED, _S.STOPPED, _S.CANCELED)

TRANSITIONS: dict[tuple[JobStatus, Event], JobStatus] = {
    (_S.PENDING, Event.DUE): _S.SCHEDULED,
    (_S.SCHEDULED, Event.CLAIMED): _S.QUEUED,
    (_S.QUEUED, Event.HANDED_BACK): _S.SCHEDULED,
    (_S.QUEUED, Event.STARTED): _S.RUNNING,
    # A claim and a start that fall into one write pass QUEUED without resting there.
    (_S.SCHEDULED, Event.STARTED): _S.RUNNING,
    (_S.PENDING, Event.SUSPENDED): _S.PENDING,
    (_S.SCHEDULED, Event.SUSPENDED): _S.PENDING,
    (_S.QUEUED, Event.SUSPENDED): _S.PENDING,
    (_S.RUNNING, Event.SUSPENDED): _S.PENDING,
    (_S.PENDING, Event.STOP_ASKED): _S.STOP_REQUESTED,
    (_S.SCHEDULED, Event.STOP_ASKED): _S.STOP_REQUESTED,
    (_S.QUEUED, Event.STOP_ASKED): _S.STOP_REQUESTED,
    (_S.RUNNING, Event.STOP_ASKED): _S.STOP_REQUESTED,
    (_S.STOP_REQUESTED, Event.STOP_SEEN): _S.STOPPING,
    **{(status, Event.COMPLETED): _S.COMPLETED for status in ACTIVE},
    **{(status, Event.FAILED): _S.FAILED for status in ACTIVE},
    **{(status, Event.STOPPED): _S.STOPPED for status in ACTIVE},
    **{(status, Event.CANCELED): _S.CANCELED for status in ACTIVE},
}

BACKWARDS = (Event.SUSPENDED, Event.HANDED_BACK)
"""The only two events that may move a job to an earlier status."""

_A = AttemptStatus

LIVE_ATTEMPT = (_A.SCHEDULED, _A.QUEUED, _A.RUNNING)
CLAIMED_ATTEMPT = (_A.QUEUED, _A.RUNNING)
ENDED_ATTEMPT = (_A.SUCCEEDED, _A.FAILED, _A.STOPPED, _A.LOST)

ATTEMPT_TRANSITIONS: dict[AttemptStatus, tuple[AttemptStatus, ...]] = {
    _A.SCHEDULED: (_A.QUEUED, _A.STOPPED),
    _A.QUEUED: (_A.RUNNING, *ENDED_ATTEMPT),
    _A.RUNNING: ENDED_ATTEMPT,
    **dict.fromkeys(ENDED_ATTEMPT, ()),
}


class Reason(StrEnum):
    """Why a job ended as it did; Kubernetes' words where it has one."""

    COMPLETIONS_REACHED = "CompletionsReached"
    SUCCESS_POLICY = "SuccessPolicy"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    POD_FAILURE_POLICY = "PodFailurePolicy"
    FAILED_INDEXES = "FailedIndexes"
    MAX_FAILED_INDEXES_EXCEEDED = "MaxFailedIndexesExceeded"
    WORKER_LOST_LIMIT = "WorkerLostLimit"
    PENDING_TIMEOUT = "PendingTimeout"
    DEPENDENCY_FAILED = "DependencyFailed"
    STOP_REQUESTED = "StopRequested"
    CANCEL_REQUESTED = "CancelRequested"
    RETRY_REFUSED = "RetryRefused"


class StopReason(StrEnum):
    """Why we end an attempt before its program ends by itself."""

    JOB_FAILED = "JobFailed"
    SUCCESS_POLICY = "SuccessPolicy"
    COMPLETED = "JobCompleted"
    SUSPENDED = "Suspended"
    SCALED_DOWN = "ScaledDown"
    JOB_STOPPED = "JobStopped"
    JOB_CANCELED = "JobCanceled"
    WORKER_SHUTDOWN = "WorkerShutdown"
    HANDED_BACK = "HandedBack"


COUNTS_AS_FAILED: dict[StopReason, bool] = {
    StopReason.JOB_FAILED: True,
    StopReason.SUCCESS_POLICY: False,
    StopReason.COMPLETED: False,
    StopReason.SUSPENDED: False,
    StopReason.SCALED_DOWN: False,
    StopReason.JOB_STOPPED: False,
    StopReason.JOB_CANCELED: False,
    StopReason.WORKER_SHUTDOWN: False,
    StopReason.HANDED_BACK: False,
}
"""Kubernetes counts the pods it kills because the job failed, and no other it kills (B.5, B.8)."""


class AttemptReason(StrEnum):
    """Why an attempt ended, beside its exit code; what a program cannot say of itself."""

    ERROR = "Error"
    START_FAILED = "StartFailed"
    OOM_KILLED = "OOMKilled"
    ATTEMPT_TIMEOUT = "AttemptTimeout"
    WORKER_LOST = "WorkerLost"


def sources(event: Event) -> tuple[JobStatus, ...]:
    """Name the statuses that ``event`` may leave, in the table's order."""
    return tuple(status for (status, moved_by) in TRANSITIONS if moved_by is event)

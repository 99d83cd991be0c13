"""What is kept of a job between decisions, and what a decision says; sizes never follow history."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from jobyard.core.indexes import EMPTY, IndexSet
from jobyard.core.job import Policy
from jobyard.core.states import (
    TERMINAL,
    TRANSITIONS,
    AttemptStatus,
    Event,
    JobStatus,
    Reason,
    StopReason,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Request(StrEnum):
    """What a person asked of a running job. The first of the two fixes the end."""

    STOP = "stop"
    CANCEL = "cancel"


@dataclass(slots=True)
class Tries:
    """How the tries of one index, or of a job whose attempts are interchangeable, went so far.

    ``number`` counts attempts that started; ``failures`` those that counted; ``streak``, ``lost``
    and ``ignored`` count in a row and end with the next success; ``lost_upto`` is the last number
    that was given when a loss was counted. ``retry_at`` is in microseconds since 1970, 0 for at
    once.
    """

    number: int = 0
    failures: int = 0
    streak: int = 0
    lost: int = 0
    ignored: int = 0
    retry_at: int = 0
    lost_upto: int = 0

    def copy(self) -> Tries:
        """Copy, several times as fast as Python's ``copy`` would."""
        return Tries(*_record(self))


_record = attrgetter(*(field.name for field in fields(Tries)))


@dataclass(slots=True)
class JobState:
    """The narrow row of a job. Times are microseconds since 1970.

    Invariants: ``live`` holds the indexes of the ``active`` attempts and ``leaving`` those of the
    ``terminating`` ones of an Indexed job; ``completed`` and ``failed_indexes`` are disjoint;
    ``tries`` has an entry for an index only while it is undecided and was tried.
    """

    id: int
    policy: Policy = field(default_factory=Policy)
    status: JobStatus = JobStatus.PENDING
    outcome: JobStatus | None = None
    outcome_at: int | None = None
    reason: str | None = None
    message: str | None = None
    request: Request | None = None
    waiting_on: int = 0
    dependency_failed: int | None = None
    active: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    restarts: int = 0
    """Restarts in place of the attempts that are active now."""
    completed: IndexSet = EMPTY
    failed_indexes: IndexSet = EMPTY
    live: IndexSet = EMPTY
    leaving: IndexSet = EMPTY
    held: bool = False
    """After a suspend: nothing is replaced until what was stopped has ended."""
    overall: Tries = field(default_factory=Tries)
    tries: dict[int, Tries] = field(default_factory=dict)
    worker_id: str | None = None
    retry_at: int | None = None
    scheduled_at: int | None = None
    admitted_at: int | None = None
    queued_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    expires_at: int | None = None
    created_at: int = 0

    @property
    def terminal(self) -> bool:
        """Whether nothing will ever happen to it again."""
        return self.status in TERMINAL

    def copy(self) -> JobState:
        """Copy, several times as fast as Python's ``copy`` would; decisions copy all the time."""
        return JobState(*_state(self))


_state = attrgetter(*(field.name for field in fields(JobState)))


@dataclass(slots=True)
class Ended:
    """One attempt that ended and was not counted yet.

    ``asked`` is the stop reason a decision had set on it, None if nobody asked it to end.
    ``advice`` is what its program wrote to JOBYARD_RETRY.
    """

    attempt_id: int
    index: int | None
    number: int
    status: AttemptStatus
    finished_at: int
    started_at: int | None = None
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    restarts: int = 0
    asked: StopReason | None = None
    advice: str | None = None


class LedgerLine(NamedTuple):
    """One line of a job's story."""

    event: Event
    status: JobStatus
    at: int
    reason: str | None = None
    message: str | None = None


@dataclass(slots=True)
class Creation:
    """An attempt to make: its index (None when interchangeable) and its number."""

    index: int | None
    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Attempts to end: ``count`` active ones (None = all), or those of indexes from ``beyond`` on.

    ``unclaimed`` spares those that a worker has.

    Preference is Kubernetes': unclaimed first, then not yet running, then the youngest (B.12).
    """

    reason: StopReason
    grace: float
    count: int | None = None
    beyond: int | None = None
    unclaimed: bool = False


@dataclass(slots=True)
class Decision:
    """What is to be done: the job's new row, attempts to make or to end, lines for the ledger.

    ``wake_at`` says when to look again even if nothing happens, None if only news matters.
    """

    job: JobState
    create: list[Creation] = field(default_factory=list)
    stop: Stop | None = None
    events: list[LedgerLine] = field(default_factory=list)
    wake_at: int | None = None

    def wake(self, at: int) -> None:
        """Look again at ``at`` at the latest."""
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def move(
        self, event: Event, at: int, reason: str | None = None, message: str | None = None
    ) -> None:
        """Make a legal move and write it down.

        Raises:
            IllegalMoveError: the table has no such move; the decision is a bug.
        """
        status = TRANSITIONS.get((self.job.status, event))
        if status is None:
            raise IllegalMoveError(self.job, event)
        self.job.status = status
        self.events.append(LedgerLine(event, status, at, reason, message))


class IllegalMoveError(AssertionError):
    """A decision tried a move that the table does not have; its message tells the story."""

    def __init__(self, job: JobState, event: Event) -> None:
        """Name the job, where it stood and what was tried."""
        super().__init__(f"job {job.id} cannot take `{event}` while {job.status}")


REASON_OF_OUTCOME: Mapping[JobStatus, tuple[Event, StopReason]] = {
    JobStatus.COMPLETED: (Event.COMPLETED, StopReason.COMPLETED),
    JobStatus.FAILED: (Event.FAILED, StopReason.JOB_FAILED),
    JobStatus.STOPPED: (Event.STOPPED, StopReason.JOB_STOPPED),
    JobStatus.CANCELED: (Event.CANCELED, StopReason.JOB_CANCELED),
}
"""How each outcome is written down, and what the attempts it ends are told."""

END_OF_REQUEST: Mapping[Request, tuple[JobStatus, Reason, StopReason]] = {
    Request.STOP: (JobStatus.STOPPED, Reason.STOP_REQUESTED, StopReason.JOB_STOPPED),
    Request.CANCEL: (JobStatus.CANCELED, Reason.CANCEL_REQUESTED, StopReason.JOB_CANCELED),
}
"""What each request ends in, why, and what its attempts are told."""

"""What is read of jobs, attempts, workers and events: records as the store returns them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobyard.core.state import JobState
    from jobyard.core.states import AttemptStatus, Event, JobStatus


@dataclass(frozen=True, slots=True)
class Job:
    """A job as people see it: its state beside what was asked for. Times are microseconds."""

    state: JobState
    name: str
    namespace: str
    labels: Mapping[str, str]
    executor: str
    priority: int
    trigger: str
    workflow_id: int | None
    retried_from: int | None
    updated_at: int
    spec: Mapping[str, Any]
    result: Any = None
    dataset: str | None = None
    """The dataset that it extracts, as ``namespace/name``."""
    manifest_hash: str | None = None

    @property
    def id(self) -> int:
        """The job's id."""
        return self.state.id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as people see it. Times are microseconds since 1970."""

    id: int
    job_id: int
    index: int | None
    number: int
    status: AttemptStatus
    reason: str | None
    exit_code: int | None
    signal: int | None
    restarts: int
    worker_id: str | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    progress_done: int | None
    progress_total: int | None
    result: Any
    queued_at: int | None
    started_at: int | None
    finished_at: int | None


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """One stored line of a job's story."""

    id: int
    job_id: int
    event: Event
    status: JobStatus
    at: int
    reason: str | None
    message: str | None
    worker_id: str | None = None
    """The worker that the job was with when the line was written."""


class LedgerPlace(NamedTuple):
    """A place in the ledger of the whole yard; later events have greater ones.

    ``order`` is a number of the database's own, which alone does not tell events apart.
    """

    order: int
    event_id: int


@dataclass(frozen=True, slots=True)
class Change:
    """A line of any job's story, for those who follow the whole yard.

    The last three are None when the job was deleted meanwhile.
    """

    line: LedgerRecord
    place: LedgerPlace
    name: str | None
    namespace: str | None
    labels: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker as it registered, and how it is. Times are microseconds since 1970."""

    id: str
    session: str
    host: str
    pid: int
    version: str
    executors: Mapping[str, int]
    """Slots by executor."""
    cpu: float
    memory: int
    labels: Mapping[str, str]
    lease: float
    """Seconds that a renewal lasts."""
    draining: bool
    started_at: int
    heartbeat_at: int
    lease_until: int
    running: int = 0
    held: Mapping[str, Held] = field(default_factory=dict)
    """What it has claimed and not ended, by executor."""


@dataclass(frozen=True, slots=True)
class Held:
    """Attempts that a worker holds with one executor, and the CPU and memory they ask for."""

    attempts: int
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What an attempt of a job asks of a worker.

    ``worker`` is an id, or the beginning of ids and one ``*``; ``cpu`` counts cores, ``memory``
    bytes.
    """

    executor: str
    cpu: float = 0.0
    memory: int = 0
    worker: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers whose lease runs, and what some jobs ask of one, by id; in one picture."""

    workers: Sequence[WorkerRecord]
    wishes: Mapping[int, Wish]


@dataclass(frozen=True, slots=True)
class DependencyRecord:
    """An edge of a job to another one; ``status`` is None when that one was deleted.

    ``satisfied`` is None while the other job is undecided.
    """

    job_id: int
    condition: str
    status: JobStatus | None
    satisfied: bool | None


@dataclass(frozen=True, slots=True)
class Story:
    """All that is needed to say why a job is as it is, in one picture."""

    job: Job
    crew: Crew
    waiting: int
    """Attempts that no worker has claimed."""
    dependencies: Sequence[DependencyRecord]
    failures: Sequence[Attempt]
    """Its last failed or lost attempts, newest first."""

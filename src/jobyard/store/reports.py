"""What a worker and the store tell each other: who it is, its news, what it is to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobyard.core.states import AttemptStatus


@dataclass(slots=True)
class EndReport:
    """How an attempt ended, as its worker tells it. Ages are seconds before now."""

    attempt_id: int
    job_id: int
    index: int | None
    number: int
    status: AttemptStatus
    age: float
    started_age: float | None
    reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    restarts: int = 0
    advice: str | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    result: str | None = None
    """JSON text of at most 64 KiB."""


@dataclass(slots=True)
class StartReport:
    """That an attempt's program runs, and where to find it again."""

    attempt_id: int
    job_id: int
    age: float
    handle: str
    first: bool
    """Whether the job was not RUNNING when the attempt was claimed."""


@dataclass(slots=True)
class CrashReport:
    """That a program failed and its attempt asks to restart it in place.

    ``restarts`` is how often it was restarted so far: asking again, because the answer was lost,
    is answered again and counts once.
    """

    attempt_id: int
    job_id: int
    restarts: int


@dataclass(slots=True)
class ProgressReport:
    """How far a program says it is."""

    attempt_id: int
    done: int
    total: int | None


@dataclass(slots=True)
class Reports:
    """The news of one worker since it last spoke."""

    ended: list[EndReport] = field(default_factory=list)
    started: list[StartReport] = field(default_factory=list)
    crashed: list[CrashReport] = field(default_factory=list)
    stopping: list[tuple[int, int]] = field(default_factory=list)
    """(attempt, job) of stops that the worker knows of now."""
    progress: list[ProgressReport] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is any news."""
        return bool(self.ended or self.started or self.crashed or self.stopping or self.progress)


@dataclass(frozen=True, slots=True)
class Want:
    """What a worker could take on: free slots by executor, free CPU and memory."""

    slots: Mapping[str, int]
    cpu: float
    memory: int
    limit: int = 500
    own_only: bool = False
    """Whether only jobs that are pinned to this worker are wanted."""

    @property
    def total(self) -> int:
        """How many attempts at most."""
        return min(self.limit, sum(self.slots.values()))


@dataclass(slots=True)
class Claim:
    """An attempt that is now this worker's to run."""

    attempt_id: int
    job_id: int
    index: int | None
    number: int
    executor: str
    first: bool
    """Whether the job was not RUNNING at this moment."""
    waited: float = 0.0
    """Seconds that it waited for a worker, from its turn."""


@dataclass(frozen=True, slots=True)
class StopOrder:
    """An attempt of this worker that a decision ended."""

    attempt_id: int
    reason: str
    grace: float


@dataclass(slots=True)
class Settled:
    """What came of a worker's reports, and what it is to do next."""

    claims: list[Claim] = field(default_factory=list)
    specs: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """By job id, for jobs the worker did not know: name, namespace and spec as JSON."""
    stops: list[StopOrder] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    """Attempts this worker does not speak for (any more)."""
    granted: list[int] = field(default_factory=list)
    """Crashed attempts that may restart in place."""
    refused: list[int] = field(default_factory=list)
    """Crashed attempts that may not. One in neither list asks again: its job is held."""
    deferred: list[int] = field(default_factory=list)
    """Jobs that somebody else holds: their news is stored, to be decided by the holder or later."""
    deferred_starts: list[int] = field(default_factory=list)
    """Attempts whose first start has yet to be told to their job: report it again."""
    hinted: bool = False
    """Whether others have something to do now."""
    wake_at: int | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """A worker as it introduces itself."""

    worker_id: str
    session: str
    host: str
    pid: int
    version: str
    executors: Mapping[str, int]
    cpu: float
    memory: int
    labels: Mapping[str, str]
    lease: float

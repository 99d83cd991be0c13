"""The promises of a store, in words. Both databases keep them; one conformance suite checks them.

Times are microseconds since 1970 of the store's own clock, which alone decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from jobyard.store.datasets import Datasets
from jobyard.store.selection import JobQuery, LabelFilter, Retention
from jobyard.store.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from jobyard.core.job import JobSpec
    from jobyard.core.records import (
        Attempt,
        Change,
        Crew,
        Job,
        LedgerPlace,
        LedgerRecord,
        Story,
        WorkerRecord,
    )
    from jobyard.core.state import Request
    from jobyard.core.states import AttemptStatus
    from jobyard.store.measures import Gathered, Measures

__all__ = ["JobQuery", "LabelFilter", "Retention"]  # besides what is defined here

POLL = 1.0
"""Seconds between looks when nothing was heard; hints make it fast, looking makes it right."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Jobs to accept together, in the order in which they depend on each other.

    ``depends_on`` names in a spec mean jobs of this submission, ids any job. ``trigger`` says who
    asked (``api``, ``cli``, ``run``, ``workflow``). ``owner`` is the only worker that may claim
    them, None for any.
    """

    specs: Sequence[JobSpec]
    trigger: str = "api"
    owner: str | None = None
    retried_from: int | None = None
    beside: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Ids of jobs that are there already, by (namespace, name): names may mean them too."""


class Action(StrEnum):
    """What became of a spec that was applied."""

    CREATED = "created"
    PATCHED = "patched"
    UNCHANGED = "unchanged"


class Applied(NamedTuple):
    """A spec that was applied, and the job that stands for it."""

    action: Action
    job: Job


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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Decided:
    """What a look at the jobs that need a decision did, and when the next one is due."""

    jobs: int = 0
    wake_at: int | None = None
    more: bool = False


class Store(Datasets, Tables, Protocol):
    """Jobs, attempts, workers and the ledger; datasets are in ``datasets.py``.

    A write that changes a job changes its status, counters, attempts and ledger in one
    transaction. A write by an attempt carries its fence (attempt, worker session).
    """

    async def open(self) -> None:
        """Connect and bring the schema up to date."""

    async def close(self) -> None:
        """Let go of the database."""

    async def now(self) -> int:
        """Read the clock that decides."""

    async def submit(self, submission: Submission) -> list[Job]:
        """Accept jobs, all or none, durably, decided upon once.

        A spec with an idempotency key that already made a job from the same spec answers with
        that job.

        Raises:
            IdempotencyConflict: a key already made a job from another spec.
        """

    async def job(self, job_id: int) -> Job:
        """Read one job.

        Raises:
            JobNotFound: there is none of this id.
        """

    async def jobs(self, query: JobQuery) -> list[Job]:
        """List jobs, newest first."""

    async def attempts(
        self, job_id: int, *, after: int = 0, limit: int = 1000, index: int | None = None
    ) -> list[Attempt]:
        """List a job's attempts, oldest first, ids above ``after``; LOST ones included."""

    async def events(self, job_id: int, *, after: int = 0, limit: int = 1000) -> list[LedgerRecord]:
        """List a job's ledger, oldest first, ids above ``after``."""

    async def crew(self, job_ids: Sequence[int]) -> Crew:
        """Read the workers whose lease runs, and what these jobs ask of one, in one picture."""

    async def story(self, job_id: int) -> Story:
        """Read all that says why a job is as it is, in one picture.

        Raises:
            JobNotFound: there is none of this id.
        """

    async def attempts_of_worker(
        self, worker_id: str, *, after: int = 0, limit: int = 1000
    ) -> list[Attempt]:
        """List what a live worker holds now, oldest first, ids above ``after``."""

    async def latest_attempts(
        self,
        job_id: int,
        *,
        before: int | None = None,
        limit: int = 1000,
        index: int | None = None,
    ) -> list[Attempt]:
        """List a job's attempts, newest first, ids below ``before``."""

    async def events_since(self, after: LedgerPlace, limit: int = 1000) -> list[Change]:
        """List the events of all jobs behind a place, in an order that never changes.

        No event ever appears before one that was already given, whichever transaction of several
        at the same time commits first. What a transaction under way could still overtake is held
        back until that is over.
        """

    async def last_place(self) -> LedgerPlace:
        """Tell the place from which on events are still to come."""

    async def ask(self, job_id: int, request: Request) -> Job:
        """Stop or cancel a job. Idempotent; a terminal job stays as it is."""

    async def suspend(self, job_id: int, *, suspend: bool) -> Job:
        """Suspend or resume a job. Idempotent.

        Raises:
            StateConflict: the job is stopping or terminal.
        """

    async def replace_spec(self, job_id: int, spec: JobSpec) -> Job:
        """Put a changed spec in place of the old one, and decide.

        Raises:
            StateConflict: the job is terminal.
        """

    async def change(self, job_id: int, alter: Callable[[JobSpec, bool], JobSpec]) -> Job:
        """Read a job's spec, alter it and write it back, with nobody else's change between.

        ``alter`` is given the spec and whether a worker ever had an attempt of the job, and
        returns the spec as it is to be; it may be called more than once, and what it raises
        changes nothing. Suspending and resuming in this way is what ``suspend`` does. Of a job
        that is over only labels, annotations and the ttl may change.

        Raises:
            JobNotFound: there is none of this id.
            StateConflict: the job is stopping or over, and the change needs it otherwise.
        """

    async def retry(self, job_id: int, which: str, *, trigger: str = "api") -> Job:
        """Make a new job that runs a finished one again: ``all``, ``failed`` or ``remaining``.

        The new job is not suspended and has no idempotency key, schedule or edge to another job.
        With ``failed`` and ``remaining`` what runs goes on from the old job's checkpoints.

        Raises:
            JobNotFound: there is none of this id.
            StateConflict: the job is not over.
            NothingToRetry: nothing of it is left to run.
        """

    async def apply(
        self, specs: Sequence[JobSpec], *, rerun: bool = False, trigger: str = "api"
    ) -> list[Applied]:
        """Make the newest jobs of these names be as the specs say, all or none, durably.

        A job that is the same stays, also when it is over, unless ``rerun`` asks for another run
        of what is over. One that differs in mutable fields alone is changed; one that differs in
        others stands in the way while it is active, and is followed by a new job once it is over.
        Two that apply the same new name at the same time make one job. A name in ``depends_on``
        means the job that stands for that spec, made now or not.

        Raises:
            ApplyConflict: active jobs differ in what cannot change.
            StateConflict: a job that is stopping would have to be suspended or resumed.
            InvalidRequest: two specs have the same name.
        """

    async def decide(self, job_ids: Sequence[int]) -> Decided:
        """Decide on these jobs, as far as nobody else holds them."""

    async def decide_due(self, limit: int = 100) -> Decided:
        """Decide on jobs whose time has come or that have news nobody counted."""

    async def register(self, registration: Registration) -> None:
        """Introduce a worker; its lease runs from now.

        Raises:
            WorkerIdTaken: a live worker has this id.
        """

    async def renew(self, session: str, gathered: Gathered | None = None) -> WorkerRecord | None:
        """Renew a worker's lease on all it runs; None when the lease is lost.

        What the worker ``gathered`` is added to the measures in any case.
        """

    async def leave(self, session: str) -> None:
        """Say good-bye; whatever the worker still holds becomes LOST at once."""

    async def measure(self) -> Measures:
        """Read the sums of the yard; the cost depends on neither its size nor its history."""

    async def workers(self) -> list[WorkerRecord]:
        """List workers whose lease runs."""

    async def drain(self, worker_id: str, *, draining: bool) -> WorkerRecord:
        """Have a worker claim nothing new, or claim again.

        Raises:
            WorkerNotFound: no live worker has this id.
        """

    async def expire_leases(self, *, unbroken: float) -> list[str]:
        """Take their attempts from workers whose lease ran out; return the sessions.

        ``unbroken`` is for how many seconds the caller has been in touch with the store: a
        worker loses its lease only to one who would have seen a whole lease's renewals.
        """

    async def settle(
        self,
        session: str,
        reports: Reports,
        want: Want | None,
        *,
        known: Container[int] = (),
        look_for_stops: bool = False,
    ) -> Settled:
        """Write down a worker's news, decide on its jobs, claim what fits: in one transaction.

        Every report is fenced by ``session``; what this worker does not speak for changes
        nothing and comes back as rejected.
        """

    async def held(self, session: str, *, known: Container[int] = ()) -> Settled:
        """Tell what a worker holds, as claims, and the specs of jobs it does not know.

        For a worker whose settle ended with StoreUnavailable: its claims may have been committed
        before the answer was lost. Waits for a settle that is still under way.

        Raises:
            LeaseLost: it holds nothing any more.
        """

    async def count(self, query: JobQuery) -> int:
        """Count the jobs that match, whatever the query's limit."""

    async def delete(self, job_id: int) -> bool:
        """Delete a job that is over; tell whether there was one.

        It is gone at once for everybody; ``sweep`` removes what is left of it. Jobs that depend
        on it keep the result that it had.

        Raises:
            JobConflict: the job is not over.
        """

    async def prune(self, query: JobQuery, limit: int = 1000) -> int:
        """Delete up to ``limit`` jobs that match and are over; 0 means that there are no more.

        What somebody else is deleting is left to them. The query's own limit does not count.
        """

    async def retain(self, limits: Retention) -> int:
        """Delete some of the jobs that exceed the limits, the first that ended first."""

    async def delete_expired(self, limit: int = 100) -> int:
        """Delete jobs whose time to live has passed, and sweep."""

    async def sweep(self) -> bool:
        """Remove a bounded part of what deleted jobs left; tell whether there is more."""

    async def checkpoint(self, session: str, attempt_id: int, value: str) -> None:
        """Keep a program's checkpoint with its job's index.

        Raises:
            LeaseLost: the worker does not speak for this attempt.
        """

    async def last_checkpoint(self, job_id: int, index: int | None) -> str | None:
        """Read the newest checkpoint of a job's index."""

    def hint(self) -> None:
        """Tell everyone who listens that something may be there to do."""

    async def listen(self, heard: Callable[[], None]) -> None:
        """Have ``heard`` called on hints; a lost connection implies a call."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an attempt's output, in order of arrival.

    ``runs`` tells whose bytes these are, as (stream, length, microseconds since ``at``), one
    entry a read. ``offset`` counts the attempt's bytes before this chunk.
    """

    job_id: int
    attempt_id: int
    offset: int
    at: int
    runs: tuple[tuple[int, int, int], ...]
    data: bytes
    order: int = field(default=0, compare=False)
    """The store's number for the place of a stored chunk among those of its job."""

    @property
    def end(self) -> LogPlace:
        """The place behind its last byte."""
        return LogPlace(self.order, self.attempt_id, self.offset + len(self.data))


class LogPlace(NamedTuple):
    """A place in a job's output; what was kept later has a greater one.

    All bytes of lower places, and of the attempt all below ``offset``, lie before it.
    """

    order: int
    attempt_id: int
    offset: int


BEGINNING = LogPlace(0, 0, 0)
"""The place before all output."""


class LogStore(Protocol):
    """What programs printed. A position is (attempt, byte offset)."""

    async def open(self) -> None:
        """Get ready."""

    async def close(self) -> None:
        """Let go."""

    async def append(self, chunks: Sequence[Chunk]) -> None:
        """Keep chunks, compressed, in one transaction."""

    async def read(self, attempt_id: int, *, offset: int = 0, limit: int = 64) -> list[Chunk]:
        """Read an attempt's chunks that reach beyond ``offset``, in order."""

    async def read_back(
        self, attempt_id: int, *, before: int | None = None, limit: int = 64
    ) -> list[Chunk]:
        """Read an attempt's chunks that begin below ``before``, last ones first."""

    async def follow(
        self, job_id: int, after: LogPlace, *, limit: int = 64, over: bool = False
    ) -> list[Chunk]:
        """Read a job's chunks that reach beyond a place, in an order that never changes.

        No chunk ever appears before one that was already given. What a transaction under way
        could still overtake is held back, unless the job is ``over``: then nothing is to come.
        """

    async def follow_back(
        self, job_id: int, *, before: LogPlace | None = None, limit: int = 64
    ) -> list[Chunk]:
        """Read a job's chunks that begin before a place, as ``follow`` orders them, last first."""

    def listen(self, heard: Callable[[frozenset[int]], None]) -> None:
        """Have ``heard`` called with the jobs of which this process just kept output."""

    async def delete(self, job_ids: Sequence[int]) -> None:
        """Remove all output of these jobs."""

    async def reclaim(self) -> bool:
        """Give some of the room back that deleted output left; tell whether there is more."""

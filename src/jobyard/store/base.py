"""The promises of a store, in words. Both databases keep them; one conformance suite checks them.

Times are microseconds since 1970 of the store's own clock, which alone decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from jobyard.store.datasets import Datasets
from jobyard.store.log_store import BEGINNING, Chunk, LogPlace, LogStore
from jobyard.store.reports import (
    Claim,
    CrashReport,
    EndReport,
    ProgressReport,
    Registration,
    Reports,
    Settled,
    StartReport,
    StopOrder,
    Want,
)
from jobyard.store.revisions import Revisions
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
    from jobyard.store.measures import Gathered, Measures

# Besides what is defined here.
__all__ = [
    "BEGINNING",
    "Chunk",
    "Claim",
    "CrashReport",
    "EndReport",
    "JobQuery",
    "LabelFilter",
    "LogPlace",
    "LogStore",
    "ProgressReport",
    "Registration",
    "Reports",
    "Retention",
    "Settled",
    "StartReport",
    "StopOrder",
    "Want",
]

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


@dataclass(frozen=True, slots=True)
class Decided:
    """What a look at the jobs that need a decision did, and when the next one is due."""

    jobs: int = 0
    wake_at: int | None = None
    more: bool = False


class Store(Datasets, Tables, Revisions, Protocol):
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

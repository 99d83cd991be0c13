"""Run a finished job again, or what is left of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobyard.core.indexes import EMPTY, IndexSet
from jobyard.core.states import TERMINAL
from jobyard.errors import StateConflict
from jobyard.spec.again import Again, Which, run_again
from jobyard.spec.encode import decode
from jobyard.store.base import Submission
from jobyard.store.query import Query, Transaction
from jobyard.store.transactions import read
from jobyard.store.transactions.submit import submit

if TYPE_CHECKING:
    from jobyard.core.records import Job


def plan(job_id: int, which: Which) -> Transaction[Again]:
    """Find out what of a finished job is to run again.

    Raises:
        JobNotFound: there is none of this id.
        StateConflict: it is not over.
        NothingToRetry: nothing of it is left to run.
    """
    job = yield from read.job(job_id)
    if not job.state.terminal:
        expected = tuple(str(status) for status in TERMINAL)
        raise StateConflict(
            f"to retry job {job_id}", expected=expected, actual=str(job.state.status)
        )
    tried = EMPTY
    if which is Which.FAILED and job.state.policy.indexed:
        tried = IndexSet.of(row[0] for row in (yield Query("failed_indexes", (job_id,))))
    spec = replace(decode(job.spec), policy=job.state.policy)
    return run_again(spec, job.state, which, tried)


def retry(job_id: int, again: Again, trigger: str) -> Transaction[tuple[Job, bool]]:
    """Make the job that runs another one again; tell also whether there is something to claim."""
    submission = Submission([again.spec], trigger=trigger, retried_from=job_id)
    [[job]], claimable = yield from submit([submission])
    if again.resumed:
        starts, stops = (list(ends) for ends in zip(*again.resumed, strict=True))
        yield Query("copy_checkpoints", (job_id, job.id, starts, stops))
    return job, claimable

"""Reading jobs, attempts and the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.errors import JobNotFound
from jobyard.store.query import Query, Transaction
from jobyard.store.rows import attempt_of, job_of, ledger_of

if TYPE_CHECKING:
    from jobyard.core.records import Attempt, Job, LedgerRecord


def job(job_id: int) -> Transaction[Job]:
    """Read one job.

    Raises:
        JobNotFound: there is none of this id.
    """
    rows = yield Query("jobs_by_id", ([job_id],))
    if not rows:
        raise JobNotFound(job_id)
    return job_of(rows[0])


def attempts(job_id: int, after: int, limit: int, index: int | None) -> Transaction[list[Attempt]]:
    """List a job's attempts, oldest first."""
    if index is None:
        rows = yield Query("list_attempts", (job_id, after, limit))
    else:
        rows = yield Query("list_attempts_of_index", (job_id, after, limit, index))
    return [attempt_of(row) for row in rows]


def events(job_id: int, after: int, limit: int) -> Transaction[list[LedgerRecord]]:
    """List a job's ledger, oldest first."""
    rows = yield Query("list_events", (job_id, after, limit))
    return [ledger_of(row) for row in rows]


def last_checkpoint(job_id: int, index: int | None) -> Transaction[str | None]:
    """Read the newest checkpoint of a job's index."""
    rows = yield Query("last_checkpoint", (job_id, -1 if index is None else index))
    return rows[0][0] if rows else None
